"""Phase ``facts``: which strongSwan runs here and what it can do, as charon itself says; what the kernel does with a
packet in an SA of a rarer kind; what charon runs in.
"""

from __future__ import annotations

from ..system import vici
from ..system.core import counted, finding, run
from . import packet_trial, surroundings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.node_json import NodeJson
    from ..protocol.reply import FactsWork, Finding, Strongswan
    from ..protocol.request import Request

PACKAGES = ("charon-systemd", "strongswan")


def facts(_request: Request) -> FactsWork:
    """Phase ``facts``: what :func:`strongswan`, ``packet_trial`` and ``surroundings`` find."""
    found = strongswan()
    detail = f"strongSwan {found['version']}, {counted(len(found['algorithms']), 'algorithm')}"
    return {
        "changed": False,
        "detail": detail,
        "version": found["version"],
        "package": package(),
        "plugins": plugins(),
        "algorithms": found["algorithms"],
        "key_exchanges": found["key_exchanges"],
        "kernel": packet_trial.kernel(),
        "surroundings": surroundings.look(),
    }


def strongswan() -> Strongswan:
    """Return the version and the names of all algorithms, as `swanctl --version` and `--list-algs` print them."""
    with vici.Vici() as link:
        version = link.call("version").get("version", "")
        listed = link.call("get-algorithms")
    groups = {kind: sorted(group) for kind, group in listed.items() if isinstance(group, dict)}
    names = sorted({name for group in groups.values() for name in group})
    exchanges = sorted({*groups.get("dh", ()), *groups.get("ke", ())})  # ke since 6.0
    return {"version": version, "algorithms": names, "key_exchanges": exchanges}


def plugins() -> list[str]:
    """Return the plugins that the running charon has loaded."""
    with vici.Vici() as link:
        stats = link.call("stats")
    return sorted(str(plugin) for plugin in stats.get("plugins", []))


def package() -> str:
    """Return the distribution's package of charon with its version, as `charon-systemd 6.0.1-6`; empty where none is.

    A distribution mends faults under the upstream version, so only this tells two such charons apart.
    """
    for name in PACKAGES:
        for argv in (
            ("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", name),
            ("rpm", "-q", "--qf", "ii %{VERSION}-%{RELEASE}", name),
        ):
            done = run(*argv)
            if done.code == 0 and done.out.startswith("ii "):
                return f"{name} {done.out[3:].strip()}"[:120]
    return ""


def lacking(node: NodeJson, found: Strongswan) -> list[Finding]:
    """Return a finding when a charon (``found``, as :func:`strongswan` says) lacks an algorithm that our file has."""
    missing = sorted(set(node["needs"]) - set(found["algorithms"]))
    if not missing:
        return []
    text = f"strongSwan {found['version']} here has no {', '.join(missing)}, which the plan offers to peers"
    return [finding("IPP644", text, "`ipsecplan facts` tells the plan what each host has; then plan and render again")]
