"""Pages in a real browser: nothing is logged as an error, nothing wider than the window, nothing against WCAG.

Chromium runs headless on copies of the pages; the copies lack the policy that forbids scripts, because what measures is
one. axe-core is a test's asset with a locked version, which `make test` unpacks. Without either, a test is skipped and
says what lacks; under make, axe-core has to be there. ``UPDATE_PICTURES=1`` writes the pictures of docs/pages anew.
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from netplan.assess.evidence import gather
from netplan.assess.judge import assess
from netplan.assess.page import page as assess_page
from netplan.assess.policies import POLICIES
from netplan.assess.since import changes as since
from netplan.audit import Given, Text, audit
from netplan.audit.page import page as audit_page
from netplan.bundle import compare, diff_page, reader, write
from netplan.verify.page import page as verify_page
from tests.support.plans import make_planned
from tests.support.verdicts import verdict_of
from tests.unit.test_assess import status
from tests.unit.test_pages import direction, of

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AXE = ROOT / ".venvs" / "axe" / "axe_playwright_python" / "axe.min.js"
PICTURES = ROOT / "docs" / "pages"
CHROMIUM = shutil.which("chromium")
WIDTHS = (360, 768, 1440)
SCHEMES = {"light": "1", "dark": "0"}
POLICY = re.compile(r"<meta http-equiv=\"Content-Security-Policy\"[^>]*>")
# opens all details, waits for axe where there is one, and leaves what it found in the title
MEASURE = """
<script>
window.onerror = function (said) { document.title = JSON.stringify({error: String(said)}); };
window.onload = async function () {
  document.querySelectorAll("details").forEach(function (one) { one.open = true; });
  var wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  var dark = matchMedia("(prefers-color-scheme: dark)").matches;
  var found = {wide: wide, width: window.innerWidth, dark: dark, axe: null};
  if (window.axe && location.hash === "#768") {
    var result = await axe.run(document, {resultTypes: ["violations"]});
    found.axe = result.violations.map(function (one) {
      return one.id + ": " + one.nodes.slice(0, 3).map(function (node) { return node.html.slice(0, 120); }).join(" | ");
    });
  }
  parent.document.getElementById("found" + location.hash.slice(1)).textContent = JSON.stringify(found);
};
</script>
"""
FRAME = """<!doctype html><title>frame</title>"""
WINDOW = """<pre id="found{width}"></pre>
<iframe src="page.html#{width}" style="width:{width}px;height:900px;border:0"></iframe>"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Every kind of page, each with long names and with everything that it can have."""
    folder = tmp_path_factory.mktemp("bundles")
    small = make_planned(5, {2: {"underlay_mtu": 1450}})
    other = make_planned(5, {2: {"underlay_mtu": 1450}}, ipsec={"esp": ["aes256-sha256-x25519"]})
    for name, made in (("a", small), ("b", other)):
        write.write(folder / name, made.plan, made.inventory)
    old, new = (reader.read(folder / name, files=False) for name in ("a", "b"))
    changes = list(compare.file_changes(old.entries, new.entries))
    names = [f"worker-{n}.eu-central-1.compute.internal" for n in range(6)]
    directions = tuple(direction(a, b, wrong="lost" if b == names[2] else None) for a in names for b in names if a != b)
    verdict = verdict_of(directions, {names[0]: {"XfrmInError": 1}}, tuple(names))
    conflist = '{"cniVersion":"0.4.0","name":"x","plugins":[{"type":"bridge","mtu":9000}]}'
    swanctl = "connections { a { children { b { esp_proposals = aes256gcm16 } } } }"
    found = [Text("10-bridge.conflist", conflist), Text("swanctl.conf", swanctl), Text("notes.txt", "hello")]
    unasked = gather(reader.read(folder / "a"), folder, 1.8e9)
    asked = replace(unasked, status={i: status(unasked, i, permissive=True) for i in unasked.nodes})
    reports = [assess(evidence, POLICIES["cnsa2"]) for evidence in (unasked, asked)]
    return {
        "assess": assess_page(reports[1], since(*reports), reports[0].at),
        "review": of(small.plan),
        "review-300": of(make_planned(300, {n: {"underlay_mtu": 1300 + n} for n in range(1, 30)}).plan),
        "review-calico": of(make_planned(24, cni={"plugin": "calico"}).plan),
        "diff": diff_page.diff_page(old, new, changes, {}, ["pod MTU: 1364 -> 1344"]),
        "verify": verify_page(
            verdict, cluster="prod", digest="d" * 64, at="2026-01-01T00:00:00Z", seconds=9, problems=verdict.problems()
        ),
        "audit": audit_page(audit(found, Given(link_mtu=1500, stack=None, said="--mtu"))),
    }


def chromium(folder: Path, scheme: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the browser without network; raises when it takes longer than a busy machine explains."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    arguments = [
        *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--no-first-run"),
        *("--disable-background-networking", "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr"),
        *("--allow-file-access-from-files", f"--user-data-dir={folder / 'profile'}"),
        f"--blink-settings=preferredColorScheme={SCHEMES[scheme]}",
    ]
    return subprocess.run([*arguments, *words], capture_output=True, text=True, check=True, timeout=240)


def measured(folder: Path, text: str, scheme: str) -> dict[int, dict[str, Any]]:
    """Return what the page says of itself in windows of every width (CSS pixels) and in a colour scheme."""
    assert len(POLICY.findall(text)) == 1
    axe = f'<script src="{AXE.as_uri()}"></script>' if AXE.exists() else ""
    (folder / "page.html").write_text(POLICY.sub("", text).replace("</body>", f"{axe}{MEASURE}</body>"))
    (folder / "frame.html").write_text(FRAME + "".join(WINDOW.format(width=width) for width in WIDTHS))
    done = chromium(folder, scheme, "--virtual-time-budget=20000", "--dump-dom", (folder / "frame.html").as_uri())
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert errors == []
    found = dict(re.findall(r'<pre id="found(\d+)">(.*?)</pre>', done.stdout, re.DOTALL))
    assert all(found.get(str(width)) for width in WIDTHS), "the page's script ran to its end"
    return {width: json.loads(html.unescape(found[str(width)])) for width in WIDTHS}


NAMES = (
    "review",
    pytest.param("review-300", marks=pytest.mark.drill),
    "review-calico",
    "diff",
    "verify",
    "audit",
    "assess",
)


@pytest.mark.parametrize("name", NAMES)
def test_a_page_fits_its_window_and_breaks_no_rule(name: str, pages: dict[str, str], tmp_path: Path) -> None:
    for scheme in SCHEMES:
        for width, found in measured(tmp_path, pages[name], scheme).items():
            assert (found["width"], found["dark"]) == (width, scheme == "dark")
            assert found["wide"] <= 0, f"{found['wide']} pixels wider than {width}"
            assert not found["axe"], (scheme, width)
            assert (found["axe"] is not None) == (width == 768 and AXE.exists()), "axe ran"


def test_axe_was_there() -> None:
    if not AXE.exists() and "MAKELEVEL" not in os.environ:
        pytest.skip("no axe-core here: make .venvs/axe/.done")
    assert AXE.read_text(encoding="utf-8").startswith("/*! axe v4.")


@pytest.mark.parametrize("name", ["review", "verify", "diff"])
def test_a_page_runs_under_its_own_policy(name: str, pages: dict[str, str], tmp_path: Path) -> None:
    """Nothing is refused by the policy, because nothing is asked for; and the picture is one."""
    (tmp_path / "page.html").write_text(pages[name])
    for scheme in SCHEMES:
        picture = tmp_path / f"{name}-{scheme}.png"
        words = ("--window-size=1000,1300", f"--screenshot={picture}", (tmp_path / "page.html").as_uri())
        done = chromium(tmp_path, scheme, *words)
        assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
        assert picture.stat().st_size > 10_000
        if os.environ.get("UPDATE_PICTURES"):
            PICTURES.mkdir(exist_ok=True)
            shutil.copy(picture, PICTURES / picture.name)
