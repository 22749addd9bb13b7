"""Files of a release: unpacked beside the others, checked against their digests, installed one atomic rename each.

The private key is made here, under umask 077, and never leaves the node: only the request for a certificate does.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence

from . import core, state, xfrm
from .core import Node, Stop, finding, must, read, run, which, write

KEY = "/etc/swanctl/private/ipsecplan.pem"
CERTIFICATE = "/etc/swanctl/x509/ipsecplan.pem"
CA = "/etc/swanctl/x509ca/ipsecplan-ca.pem"
CA_NEXT = "/etc/swanctl/x509ca/ipsecplan-ca-next.pem"  # the same certificate unless a new CA is on its way
PUBLIC = "/etc/swanctl/pubkey"  # raw public keys: our own, and one file a peer
START = "/etc/swanctl/conf.d/ipsecplan-start.conf"
ETC = "/etc/ipsecplan"
GUARD = ETC + "/guard.nft"
RENEW_DAYS = 132  # a third of the life that our CA gives a certificate
GUARD_UNIT = "/etc/systemd/system/ipsecplan-guard.service"
BOOT_UNIT = "/etc/systemd/system/ipsecplan-boot.service"
TOOLS = (state.SCRIPT, BOOT_UNIT)
_OWNER = re.compile(r"^root:root$")


def kind(path: str) -> str:
    """Return which list of a snapshot a path belongs to: ``tool``, ``mtu`` (stays low) or ``ipsec``."""
    if path in TOOLS:
        return "tool"
    return "mtu" if path.startswith(("/etc/systemd/network/", "/etc/cni/net.d/")) else "ipsec"


def folder(release: str) -> str:
    """Return the folder of a release by its digest."""
    if not re.fullmatch(r"[0-9a-f]{64}", release):
        raise Stop(finding("IPP601", "not a release digest"))
    return f"{state.ROOT}/releases/{release}"


def _members(archive: bytes, wanted: dict[str, Node]) -> Iterator[tuple[Node, bytes]]:
    """Yield (manifest entry, content) of every file in the tar; stop when it is not exactly what is wanted."""
    import io
    import tarfile

    wanted = dict(wanted)
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
        for member in tar:
            entry = wanted.pop("/" + member.name, None)
            source = tar.extractfile(member) if entry and member.isreg() else None
            if entry is None or source is None or not _OWNER.fullmatch(entry["owner"]):
                raise Stop(finding("IPP605", "the archive holds something that the manifest does not"))
            data = source.read()
            if core.sha256(data) != entry["sha256"]:
                raise Stop(finding("IPP605", f"the content of {entry['path']} is not what the manifest says"))
            yield entry, data
    if wanted:
        raise Stop(finding("IPP605", f"the archive lacks {sorted(wanted)[0]}"))


def unpack(release: str, files: list[Node], archive: bytes) -> None:
    """Unpack the tar into the release folder after checking every file against the manifest; nothing else gets in."""
    target = folder(release)
    wanted = {entry["path"]: entry for entry in files}
    for entry, data in _members(archive, wanted):
        write(target + "/files" + entry["path"], data, int(entry["mode"], 8))
    write(target + "/files.json", json.dumps(files))


def install(tx: str, release: str, kinds: tuple[str, ...]) -> bool:
    """Install the files of some kinds from the release; files of an older release that are gone now go too."""
    files = json.loads(read(folder(release) + "/files.json") or "[]")
    old = state.load()["release"]
    before = json.loads((old and read(folder(old) + "/files.json")) or "[]")
    changed = False
    names = {entry["path"] for entry in files}
    for path in [entry["path"] for entry in before if entry["path"] not in names and kind(entry["path"]) in kinds]:
        remember(tx, path)
        changed = core.remove(path) or changed
    for entry in files:
        if kind(entry["path"]) in kinds:
            with open(folder(release) + "/files" + entry["path"], "rb") as file:
                changed = put(tx, entry["path"], file.read(), int(entry["mode"], 8)) or changed
    return changed


def remember(tx: str, path: str) -> None:
    """Write down once what was at a path, for a revert."""
    which_list = kind(path)
    state.record(state.BASE, which_list, path)
    if which_list == "ipsec":  # MTU files stay low in an automatic revert, the tool's own files harm nobody
        state.record(state.tx_folder(tx), "ipsec", path)


def put(tx: str, path: str, data: str | bytes, mode: int) -> bool:
    """Install one file, remembering what was there."""
    remember(tx, path)
    return write(path, data, mode)


def tools(files: list[Node], archive: bytes) -> None:
    """Install revert.sh and the boot unit before anything else can need them."""
    for entry, data in list(_members(archive, {entry["path"]: entry for entry in files})):
        if entry["path"] in TOOLS:
            os.makedirs(state.BASE + "/tree", mode=0o700, exist_ok=True)
            state.record(state.BASE, "tool", entry["path"])
            write(entry["path"], data, int(entry["mode"], 8))


def _key(tx: str) -> bool:
    """Make the private key once; a key that a confirmed release uses stays."""
    if os.path.exists(KEY):
        if os.stat(KEY).st_mode & 0o077:
            raise Stop(finding("IPP606", f"{KEY} is readable by others", "chmod 600 it, or remove it"))
        return False
    umask = os.umask(0o077)
    try:
        if which("openssl"):
            made = must("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384")
        else:
            made = must("pki", "--gen", "--type", "ecdsa", "--size", "384", "--outform", "pem")
    finally:
        os.umask(umask)
    if not os.path.isdir(os.path.dirname(KEY)):
        os.makedirs(os.path.dirname(KEY), mode=0o700)
    return put(tx, KEY, made.out, 0o600)


def request(node: Node, key: str = KEY) -> str:
    """Return a certificate request for the node's key: the controller checks it and takes only the public key."""
    name = node["id"]
    if which("openssl"):
        return must("openssl", "req", "-new", "-key", key, "-subj", "/CN=" + name).out
    return must("pki", "--req", "--in", key, "--type", "priv", "--dn", "CN=" + name, "--outform", "pem").out


def certificate_good(node: Node, days: int = RENEW_DAYS) -> bool:
    """Tell whether the installed certificate fits the key and the node and lasts ``days`` more."""
    if not os.path.exists(CERTIFICATE) or not os.path.exists(CA) or not os.path.exists(KEY):
        return False
    if not which("openssl"):
        return False
    ends = run("openssl", "x509", "-in", CERTIFICATE, "-noout", "-checkend", str(days * 86400), "-subject", "-pubkey")
    public = run("openssl", "pkey", "-in", KEY, "-pubout")
    if not (ends.code == 0 and node["id"] in ends.out and public.code == 0 and public.out.strip() in ends.out):
        return False
    more = node.get("identities", ())
    named = run("openssl", "x509", "-in", CERTIFICATE, "-noout", "-ext", "subjectAltName").out if more else ""
    return all("DNS:" + name in named for name in more)


def sysctls(tx: str, path: str = "/etc/sysctl.d/90-ipsecplan.conf") -> None:
    """Apply our sysctl file live, remembering the old values for revert.sh."""
    for line in (read(path) or "").splitlines():
        key, _, value = (part.strip() for part in line.partition("="))
        if key and not key.startswith(("#", ";")) and value:
            sysctl(tx, key.lstrip("-"), value)


def sysctl(tx: str, key: str, value: str) -> bool:
    """Set one sysctl, remembering the old value once."""
    path = "/proc/sys/" + key.replace(".", "/")
    old = read(path)
    if old is None or old.strip() == value:
        return False
    known = read(state.tx_folder(tx) + "/sysctl") or ""
    if path not in known:
        write(state.tx_folder(tx) + "/sysctl", f"{known}{path} {old.strip()}\n")
    with open(path, "w", encoding="ascii") as file:
        file.write(value)
    return True


def stage(tx: str, release: str, node: Node, files: list[Node], archive: bytes, later: Sequence[Node] = ()) -> Node:
    """Phase ``stage``: release on disk, files installed without effect, key made, guard counting.

    ``later``: the peers that are away, see :mod:`deferred`.
    """
    from . import deferred, resting, ways

    unpack(release, files, archive)
    changed = install(tx, release, ("ipsec",))
    deferred.choose(tx, later)
    resting.rehearse(tx)
    auth = node.get("auth")
    changed = (auth != "psk" and _key(tx)) or changed
    before = xfrm.guard()["mode"]
    if before != "drop":  # an enforced guard is never weakened by a new release
        counts = read(ETC + "/guard-count.nft") or ""
        put(tx, GUARD, deferred.guard(counts, node), 0o640)
        xfrm.load_guard(GUARD)
        changed = changed or before == "absent"
    with open(ETC + "/start-none.conf", "rb") as file:
        put(tx, START, file.read(), 0o640)
    changed = ways.make(node) or changed
    sysctls(tx)
    answer = {"changed": changed, "detail": "files, key, guard " + ("drops" if before == "drop" else "counts")}
    if auth == "pubkey" or (auth != "psk" and not certificate_good(node)):
        answer["request"] = request(node)
    return answer


def credentials(
    tx: str, node: Node, certificate: str | None, authority: str | None, secrets: str | None = None,
    publics: dict[str, str] | None = None,
) -> Node:  # fmt: skip
    """Phase ``credentials``: certificate and CA, pre-shared keys or the peers' public keys installed, everything
    loaded, nothing started."""
    changed = False
    if secrets:
        from .renewal import install_secrets

        changed = install_secrets(tx, secrets)
    if publics:
        changed = _pin(tx, publics) or changed
    elif certificate and authority:
        changed = put(tx, CERTIFICATE, certificate, 0o644)
        changed = put(tx, CA, authority, 0o644) or changed
        put(tx, CA_NEXT, authority, 0o644)
    elif not secrets and not os.path.exists(CA_NEXT):
        put(tx, CA_NEXT, read(CA) or "", 0o644)
    load_credentials()
    load_connections()
    from . import vici

    loaded = vici.connections()
    missing = sorted({peer["pair"] for peer in node["peers"]} - set(loaded))
    if missing:
        raise Stop(finding("IPP613", f"charon did not load {len(missing)} connections, first {missing[0]}"))
    return {"changed": changed, "detail": f"{len(loaded)} connections loaded"}


def _pin(tx: str, publics: dict[str, str]) -> bool:
    """Install our own public key and those of the peers; files of former peers go."""
    if which("openssl"):
        own = must("openssl", "pkey", "-in", KEY, "-pubout").out
    else:
        own = must("pki", "--pub", "--in", KEY, "--type", "priv", "--outform", "pem").out
    wanted = {f"{PUBLIC}/ipsecplan-{peer}.pem": text for peer, text in publics.items()}
    wanted[PUBLIC + "/ipsecplan.pem"] = own
    changed = False
    for path, text in wanted.items():
        changed = put(tx, path, text, 0o644) or changed
    for name in os.listdir(PUBLIC):
        if name.startswith("ipsecplan-n-") and f"{PUBLIC}/{name}" not in wanted:
            remember(tx, f"{PUBLIC}/{name}")
            changed = core.remove(f"{PUBLIC}/{name}") or changed
    return changed


def load_credentials() -> None:
    """Let charon read keys and certificates."""
    swanctl("--load-creds", "--noprompt")


def load_connections() -> None:
    """Let charon read the connections."""
    swanctl("--load-conns")


def swanctl(*words: str) -> None:
    """Let charon do something. Raises Stop with what went wrong, not with the usage that swanctl prints behind it."""
    done = run("swanctl", *words)
    if done.code == 0:
        return
    if "connecting to" in done.err + done.out:
        hint = "`systemctl status strongswan` and its log there say why; then try again"
        raise Stop(finding("IPP613", "charon does not answer: it has ended, or was stopped, meanwhile", hint))
    raise Stop(finding("IPP613", f"swanctl {words[0]}: {done.said}"))
