#!/bin/sh
# Refresh the locked requirement files: versions, hashes and markers for every supported Python, no download address.
#   main.txt  what a user needs      build.txt  what installs the checkout      dev.txt  checks and tests
#   supply.txt  what looks at the dependencies: `make sbom`, `make advisories`
#   mutants.txt  what `make mutants` needs besides
#   docs.txt  what `make site` builds the pages with
#   axe.txt  the rules for pages that their tests apply in a browser
#   collection.txt  what `make collection` looks at the plays with
# Needs uv, which is not among them: pip install uv==0.13.9
#   UPGRADE=1 requirements/lock.sh     the newest versions; without it a version stays for as long as it fits the ranges
set -eu
cd "$(dirname "$0")/.."
PY=${PY:-.venv/bin/python}
# This machine's own wheels and indexes are nobody else's: their hashes would match nothing on the public index.
unset UV_FIND_LINKS UV_INDEX UV_EXTRA_INDEX_URL UV_CONSTRAINT UV_OVERRIDE UV_EXCLUDE_NEWER
oldest=$("$PY" -c 'import tomllib; print(tomllib.load(open("pyproject.toml", "rb"))["project"]["requires-python"][2:])')
trap 'rm -f requirements/build.in' EXIT
"$PY" -c '
import tomllib
with open("pyproject.toml", "rb") as f:
    print(*tomllib.load(f)["build-system"]["requires"], "editables", "pip", "setuptools", sep="\n")' >requirements/build.in

# compile OUTPUT INPUT...: --universal asks for every Python from the oldest on, and writes markers where they differ
compile() {
  out=$1; shift
  "$PY" -m uv --no-config pip compile -q --universal --python-version "$oldest" --generate-hashes --no-header \
    ${UPGRADE:+--upgrade} -o "requirements/$out" "$@"
}
compile main.txt pyproject.toml
compile build.txt requirements/build.in
compile dev.txt -c requirements/main.txt -c requirements/build.txt pyproject.toml requirements/build.in --group dev
compile supply.txt --group supply
compile mutants.txt -c requirements/main.txt -c requirements/build.txt -c requirements/dev.txt --group mutants
compile docs.txt --group docs
compile axe.txt --no-deps --group axe
compile collection.txt -c requirements/main.txt --group collection
