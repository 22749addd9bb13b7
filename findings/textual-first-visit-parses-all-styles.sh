#!/bin/sh
# textual 8.2.8: the first visit of a screen parses the stylesheets of the whole app anew, not the one that is new.
# An app with twenty modes, a screen and a stylesheet each: the first visit of the k-th parses 3 * k of them, k of them
# for the new stylesheet, and twice more all that are there when the mode begins. `Stylesheet` keeps what it has
# parsed; but `reparse()` works on a new `Stylesheet`, whose memory is empty. Listing all files in the app's CSS_PATH does
# not help: then each first visit parses all twenty twice, the first one, too. Second visits parse none of them
# (the second one of the last screen parses all once more).
# So a hundred screens cost 15,000 parses of a stylesheet instead of a hundred, and the later a screen is opened first,
# the longer its user waits.
# Met in a terminal program with a dozen screens, where the last one opened took longer than the first.
# Needs python3 (3.11 or newer) with venv. Packages go into a temporary folder; takes about a minute.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work"
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install --disable-pip-version-check textual==8.2.8 2>"$work/pip.log" || { tail -n 5 "$work/pip.log"; exit 2; }
cat >"$work/screens.py" <<'PY'
import asyncio
import sys
from pathlib import Path

import textual.css.stylesheet as stylesheet
from textual.app import App
from textual.screen import Screen
from textual.widgets import Static

COUNT, at_once = 20, sys.argv[1] == "listed"
files = [Path(f"s{n}.tcss").resolve() for n in range(COUNT)]
for n, file in enumerate(files):
    file.write_text(f"#w{n} {{ color: $text; }}\n")
parsed, real = [], stylesheet.parse


def counted(*args, **named):
    parsed.append(args[1])
    return real(*args, **named)


stylesheet.parse = counted


def screen(n):
    def compose(self):
        yield Static("x", id=f"w{n}")

    return type(f"Screen{n}", (Screen,), {"CSS_PATH": None if at_once else files[n], "compose": compose})


class Many(App):
    MODES = {f"m{n}": screen(n) for n in range(COUNT)}
    DEFAULT_MODE = "m0"
    CSS_PATH = files if at_once else None


def ours():
    count = sum(text.startswith("#w") for text in parsed)
    parsed.clear()
    return count


async def main():
    app = Many()
    async with app.run_test() as pilot:
        await pilot.pause()
        seen = []
        for _ in range(2):
            for n in range(COUNT):
                ours()
                await app.switch_mode(f"m{n}")
                await pilot.pause()
                seen.append(ours())
    print(f"{sys.argv[1]}: first visits of the 2nd, 10th and 20th: {seen[1]}, {seen[9]}, {seen[19]};", end=" ")
    print(f"second visits of all but the last: {sum(seen[COUNT:-1])}")


asyncio.run(main())
PY
cd "$work"
for how in own listed; do "$work/venv/bin/python" screens.py "$how"; done >"$work/seen" || { cat "$work/seen"; exit 2; }
cat "$work/seen"
cat >"$work/wanted" <<'EOF2'
own: first visits of the 2nd, 10th and 20th: 6, 30, 60; second visits of all but the last: 0
listed: first visits of the 2nd, 10th and 20th: 40, 40, 40; second visits of all but the last: 0
EOF2
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
