#!/bin/sh
# ansible-core 2.19.14: `ansible-inventory --list` prints a text that an inventory plugin composed as a mapping,
# {"__ansible_unsafe": "10.244.1.0/24"}, and one that the plugin only copied, or a number, as it is. With --yaml the same
# text is plain. So a program that reads the JSON finds a mapping where the same variable, written by hand, is a string;
# which of a plugin's variables are mappings depends on whether the expression makes a new text.
# Met where hosts of `constructed` were read: an address was "no address".
# Needs python3 with venv and pip. Nothing outside a temporary folder is changed.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C.UTF-8 ANSIBLE_HOME="$work/home" ANSIBLE_NOCOLOR=1
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q ansible-core==2.19.14 2>/dev/null || { echo "can't install ansible-core"; exit 2; }
mkdir "$work/inventory"
cat >"$work/inventory/1.yml" <<'IN'
all:
  hosts:
    web1: {prefix: ten, number: 1}
IN
cat >"$work/inventory/2.yml" <<'IN'
plugin: ansible.builtin.constructed
strict: true
compose:
  copied: prefix
  made: prefix ~ '.1'
  counted: number + 1
IN
export ANSIBLE_INVENTORY_ENABLED=ansible.builtin.yaml,ansible.builtin.constructed
list() { "$work/venv/bin/ansible-inventory" -i "$work/inventory" --list "$@" 2>/dev/null; }
"$work/venv/bin/ansible-inventory" --version | head -n 1
{
  echo "JSON:"
  list | python3 -c 'import json, sys
found = json.load(sys.stdin)["_meta"]["hostvars"]["web1"]
print("\n".join(f"  {name}: {json.dumps(found[name])}" for name in ("copied", "counted", "made")))'
  echo "YAML:"
  list --yaml | grep -E '^ +(copied|counted|made):' | sed 's/^ */  /'
} >"$work/got"
cat "$work/got"
cat >"$work/want" <<'END'
JSON:
  copied: "ten"
  counted: 2
  made: {"__ansible_unsafe": "ten.1"}
YAML:
  copied: ten
  counted: 2
  made: ten.1
END
cmp -s "$work/got" "$work/want" || { echo "  expected:"; sed 's/^/  /' "$work/want"; echo "CHANGED"; exit 1; }
echo "as described"
