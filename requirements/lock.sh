#!/bin/sh
# Refresh the locked requirement files: versions and hashes, no download address. Needs pip-tools.
#   main.txt  what a user needs      build.txt  what installs the checkout      dev.txt  checks and tests
set -eu
cd "$(dirname "$0")/.."
PY=${PY:-.venv/bin/python}
opts="--quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-emit-index-url --no-emit-find-links
  --no-emit-trusted-host --no-emit-options --resolver=backtracking"
# shellcheck disable=SC2086
{
  $PY -m piptools compile $opts -o requirements/main.txt pyproject.toml
  $PY - requirements <<'P'
import sys, tomllib
with open("pyproject.toml", "rb") as f:
    project = tomllib.load(f)
build = [*project["build-system"]["requires"], "editables"]
for name, lines in {"build": build, "dev": ["-r main.txt", "-r build.txt", *project["dependency-groups"]["dev"]]}.items():
    with open(f"{sys.argv[1]}/{name}.in", "w") as out:
        print(*lines, sep="\n", file=out)
P
  $PY -m piptools compile $opts -o requirements/build.txt requirements/build.in
  $PY -m piptools compile $opts -o requirements/dev.txt requirements/dev.in
}
rm requirements/*.in
