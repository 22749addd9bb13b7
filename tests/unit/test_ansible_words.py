"""What Ansible said when it refused, shortened to what helps; texts as ansible-core 2.19 to 2.21 print them."""

from __future__ import annotations

import pytest

from netplan.inputs.ansible_words import LONGEST, of_inventory, of_play

PLUGIN = "Failed to parse inventory with 'ansible_collections.ansible.builtin.plugins.inventory.{0}' plugin"
FAILED = "[WARNING]: " + PLUGIN + ": {1}\n\n" + PLUGIN + ".\n\n<<< caused by >>>\n\n{1}\nOrigin: {2}\n\n"
END = "[ERROR]: Completely failed to parse inventory source /x/hosts\n"
YAML = FAILED.format("yaml", "YAML parsing failed: While parsing a flow node did not find it.", "/x/hosts.yml:3:7")
INI = FAILED.format(
    "ini", "Failed to parse inventory: Expected key=value host variable assignment, got: foo", "/x/hosts"
)
SCRIPT = FAILED.format("script", "Inventory script returned non-zero exit code 3.", "<inventory plugin>").rstrip() + (
    "\n\nStandard error from inventory script:\ntoken expired\nlog in again\n\n"
)


@pytest.mark.parametrize(
    ("stderr", "suffix", "program", "text", "line"),
    [
        (YAML + INI + END, ".yml", False, "While parsing a flow node did not find it.", 3),
        (YAML + INI + END, "", False, "Expected key=value host variable assignment, got: foo", None),
        (YAML + INI + END, ".ini", False, "Expected key=value host variable assignment, got: foo", None),
        (
            SCRIPT + YAML + INI + END,
            "",
            True,
            "Inventory script returned non-zero exit code 3: token expired log in again",
            None,
        ),
        (
            "ERROR: Ansible requires the locale encoding to be UTF-8; Detected None.\n",
            "",
            False,
            "Ansible requires the locale encoding to be UTF-8; Detected None.",
            None,
        ),
        (
            "[WARNING]: something else\n\n[ERROR]: Config 'FORKS' from '/a.cfg' has an invalid value: 'many'\n\n"
            'Traceback (most recent call last):\n  File "x"\n',
            "",
            False,
            "Config 'FORKS' from '/a.cfg' has an invalid value: 'many'",
            None,
        ),
        ("Killed\n", "", False, "Killed", None),
        ("", "", False, "", None),
        ("ERROR! \x1b[31mred\n", "", False, "\N{REPLACEMENT CHARACTER}[31mred", None),
    ],
)
def test_why_an_inventory_was_refused(stderr: str, suffix: str, program: bool, text: str, line: int | None) -> None:
    said = of_inventory(stderr, suffix, program)
    assert (said.text, said.line) == (text, line)


def test_why_a_play_ended() -> None:
    unreachable = 'fatal: [n-1]: UNREACHABLE! => {"msg": "no"}'
    assert of_play(f"\nPLAY [One step] ****\n\n{unreachable}\n") == '{"msg": "no"}'
    assert of_play("ERROR! the role 'x' was not found\n\nThe error appears to be in\n") == "the role 'x' was not found"
    assert of_play("") == "no output"
    assert len(of_play("ERROR! " + "x" * 999)) == LONGEST
