"""Documents that ipsecplan keeps about credentials: JSON, read by a strict model, because a file can be damaged."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from netplan.files import parse_json
from netplan.model.ids import ID
from netplan.problems import Location, Problem, ProblemError, printable

LIMIT = 512 << 20  # bytes of a document: the keys of a full mesh of a thousand nodes are 85 MiB
LAST_PHASE = 3  # of every rotation

NodeId = Annotated[str, Field(pattern="^n-[0-9a-f]{12}$")]
PairId = Annotated[str, Field(pattern="^pair-[0-9a-f]{12}$")]
Phase = Annotated[int, Field(ge=0, le=LAST_PHASE)]
Version = Annotated[int, Field(ge=1, le=1)]  # Literal[1] would take true and 1.0


class Document(BaseModel):
    """Base of the models: exact types, no unknown key, no value in a message."""

    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, hide_input_in_errors=True)


D = TypeVar("D", bound=Document)


def parsed(model: type[D], data: bytes, path: Path, code: str, what: str, hint: str) -> D:
    """Return a document. Raises ProblemError (``code``): ``path`` is no ``what``, with the first thing that is wrong.

    No value is in the message: it may be a key.
    """
    try:
        found = model.model_validate(parse_json(data))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        why = f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"
    except ValueError:
        why = "not JSON"
    else:
        return found
    raise ProblemError(Problem(code, f"no {what}: {printable(why)[:200]}", location=Location(str(path)), hint=hint))


def checked(name: str) -> str:
    """Return an id of ours; raises ValueError for anything else, which would become a file name or a section."""
    if not ID.match(name):
        raise ValueError("not an id")
    return name
