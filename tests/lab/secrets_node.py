"""What looks for secrets on a node: two programs of the standard library, sent over SSH's standard input."""

from __future__ import annotations

# Every command line and environment of every process, each once, while a situation lasts
SAMPLER = r"""
import glob, signal, time
seen, stop = set(), []
signal.signal(signal.SIGTERM, lambda *_: stop.append(1))
with open("/run/sampled", "wb") as out:
    while not stop:
        for kind in ("cmdline", "environ"):
            for path in glob.glob("/proc/[0-9]*/" + kind):
                try:
                    data = open(path, "rb").read()
                except OSError:
                    continue
                if data and (kind, data) not in seen:
                    seen.add((kind, data))
                    out.write(kind.encode() + b" " + data.replace(b"\n", b" ") + b"\n")
        out.flush()
        time.sleep(0.2)
"""
# Reads {"forms": {secret: [base64, ...]}}; looks through journal and files; a secret's home is no find but has a mode
SEARCH = r"""
import base64, json, os, re, stat, subprocess, sys
forms = {name: [base64.b64decode(f) for f in fs] for name, fs in json.load(sys.stdin)["forms"].items()}
HOMES = {"/etc/swanctl/private/ipsecplan.pem", "/etc/swanctl/conf.d/ipsecplan-secrets.conf",
         "/var/lib/ipsecplan/next-key.pem"}
COPY = re.compile(r"^/var/lib/ipsecplan/(?:base|tx/[^/]+)/tree(?=/)")
SKIP = {"/var/lib/dpkg", "/var/lib/apt", "/var/cache", "/var/log/journal", "/run/log/journal", "/run/udev"}
found = {"log": [], "tmp": [], "files": [], "modes": [], "looked": 0}
def look(row, where, data):
    found["looked"] += 1
    found[row] += [[where, name] for name, fs in forms.items() if any(f in data for f in fs)]
look("log", "journal", subprocess.run(["journalctl", "--no-pager", "-o", "cat"], stdout=subprocess.PIPE).stdout)
for private in ("/var/lib/ipsecplan", "/run/ipsecplan"):
    if os.path.isdir(private) and os.stat(private).st_mode & 0o077:
        found["modes"].append([private, "directory"])
def files():
    yield from (os.path.join("/", name) for name in os.listdir("/"))
    for top in ("/etc", "/var", "/run", "/tmp", "/root", "/home", "/usr/local", "/opt", "/srv"):
        for folder, folders, names in os.walk(top):
            folders[:] = [f for f in folders if os.path.join(folder, f) not in SKIP]
            yield from (os.path.join(folder, name) for name in names)
for path in files():
    try:
        at = os.lstat(path)
        if not stat.S_ISREG(at.st_mode) or at.st_size > 32 << 20:
            continue
        data = open(path, "rb").read()
    except OSError:
        continue
    if COPY.sub("", path) in HOMES:
        found["looked"] += 1
        if at.st_mode & 0o077:
            found["modes"].append([path, oct(at.st_mode & 0o777)])
        continue
    row = "tmp" if path.startswith(("/tmp/", "/var/tmp/", "/root/.ansible/")) else "files"
    look("log" if path.startswith("/var/log/") else row, path, data)
print(json.dumps(found))
"""
