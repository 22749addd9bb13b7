#!/bin/sh
# Refresh the locked requirement files. They hold versions and hashes, and no download address.
set -eu
cd "$(dirname "$0")/.."
PY=${PY:-.venv/bin/python}
opts="--quiet --generate-hashes --strip-extras --allow-unsafe --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options --resolver=backtracking"
$PY -m piptools compile $opts -o requirements/main.txt pyproject.toml
$PY - > requirements/dev.in <<'P'
import tomllib
with open("pyproject.toml", "rb") as f:
    project = tomllib.load(f)
print("-r main.txt", *project["dependency-groups"]["dev"], *project["build-system"]["requires"], "editables", sep="\n")
P
$PY -m piptools compile $opts -o requirements/dev.txt requirements/dev.in
rm requirements/dev.in
