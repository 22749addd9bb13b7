#!/bin/sh
# pytest-textual-snapshot 1.1.0 (with textual 8.2.8, pytest 8.4.2) on Python 3.12 and newer, in a project that makes
# warnings errors (pytest -W error): one picture that differs ends the session with a traceback of the plugin's instead
# of the report. Neither what failed is listed nor why, and that goes for tests without any picture, too. The plugin's
# report hook calls datetime.utcnow(), which warns from 3.12 on; it runs only when a picture differs, so a green suite
# never shows it. Without -W error the same run ends with the list.
# Needs a python3.12, 3.13 or 3.14 with venv. Packages go into a temporary folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=
for name in python3.13 python3.12 python3.14 "$HOME"/.pyenv/versions/3.1[234]*/bin/python3; do
  if "$name" -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then python=$name; break; fi
done
[ -n "$python" ] || { echo "no Python 3.12 or newer here"; exit 2; }
"$python" --version
"$python" -m venv "$work/venv"
"$work/venv/bin/pip" -q install --disable-pip-version-check \
  pytest==8.4.2 pytest-textual-snapshot==1.1.0 textual==8.2.8 syrupy==4.8.0 2>"$work/pip.log" || { tail -n 5 "$work/pip.log"; exit 2; }
mkdir "$work/t"
cat >"$work/t/test_it.py" <<'IN'
from textual.app import App
from textual.widgets import Static

class Shown(App):
    def compose(self):
        yield Static("something")

def test_arithmetic():
    assert 1 + 1 == 3

def test_picture(snap_compare):
    assert snap_compare(Shown())
IN
cd "$work/t"
changed=0
run() { # $1 what, $2 expected exit code, $3 a word that must be there, $4 one that must not; then options
  what=$1 want=$2 there=$3 gone=$4
  shift 4
  code=0
  "$work/venv/bin/python" -m pytest -q -p no:cacheprovider "$@" test_it.py >"$work/out" 2>&1 || code=$?
  echo "$what: exit code $code, $(grep -c utcnow "$work/out" || :) lines about utcnow, $(grep -c '^FAILED' "$work/out" || :) of FAILED"
  [ "$code" = "$want" ] || changed=1
  grep -q "$there" "$work/out" || changed=1
  if grep -q "$gone" "$work/out"; then changed=1; fi
}
run "warnings are warnings" 1 '^FAILED test_it.py::test_arithmetic' Traceback
run "warnings are errors" 1 '^DeprecationWarning.*utcnow' 'test_arithmetic' -W error
[ "$changed" = 0 ] || { echo "CHANGED"; tail -n 3 "$work/out"; exit 1; }
echo "as described"
