"""Files of a release: unpacked beside the others, checked against their digests, installed one atomic rename each.

The private key is made here, under umask 077, and never leaves the node: only the request for a certificate does.
"""

from __future__ import annotations

from ..system import xfrm
from ..system.core import read
from ..system.paths import ETC, GUARD, START
from ..transaction import deferred_pairs, replaced
from ..transaction.release import install, put, unpack
from ..transaction.sysctl import sysctls
from . import trap_any, xfrm_interfaces
from .credentials import certificate_good, certificate_request, make_key

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol.reply import RequestWork
    from ..protocol.request import Request


def stage(request: Request, archive: bytes) -> RequestWork:
    """Phase ``stage``: release on disk, files installed without effect, key made, guard counting.

    ``deferred`` in the request: the peers that are away, see :mod:`..transaction.deferred_pairs`.
    """
    tx, release, node, later = request["tx"], request["release"], request["node"], request.get("deferred", ())
    if request.get("replaced"):
        replaced.meet(tx, node, request["replaced"])
    unpack(release, request["files"], archive)
    changed = install(tx, release, ("ipsec",))
    deferred_pairs.choose(tx, later)
    trap_any.install_pairs(tx)
    auth = node["auth"]
    changed = (auth != "psk" and make_key(tx)) or changed
    before = xfrm.guard()["mode"]
    if before != "drop":  # an enforced guard is never weakened by a new release
        counts = read(ETC + "/guard-count.nft") or ""
        put(tx, GUARD, deferred_pairs.guard(counts, node), 0o640)
        xfrm.load_guard(GUARD)
        changed = changed or before == "absent"
    with open(ETC + "/start-none.conf", "rb") as file:
        put(tx, START, file.read(), 0o640)
    changed = xfrm_interfaces.make(node) or changed
    sysctls(tx)
    answer: RequestWork = {
        "changed": changed,
        "detail": "files, key, guard " + ("drops" if before == "drop" else "counts"),
    }
    if auth == "raw-keys" or (auth != "psk" and not certificate_good(node)):
        answer["request"] = certificate_request(node)
    return answer
