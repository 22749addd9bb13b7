#!/bin/sh
# ansible-core 2.19.14 (and 2.21.5): what `register` takes of a task that runs once for all hosts by its nature
# (BYPASS_HOST_LOOP: `pause`, `add_host`, an action of a collection) is defined on the play's first host only. The same
# task with `run_once: true`, which changes nothing of how it runs, gives it to every host. No warning; `ansible-doc pause`
# says of the attribute that it forces a global task, and nothing of what it registers.
# Met where the first task of a play tells all hosts whether there is anything to do: with one host it works, with two the
# second one fails or, in `when: waited is defined`, is left out without a word.
# Needs python3 (3.11 to 3.13) with venv. ansible-core goes into a temporary folder.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" -q install --disable-pip-version-check ansible-core==2.19.14 2>"$work/log" || { tail -n 5 "$work/log"; exit 2; }

cat >"$work/play.yml" <<'EOF'
- hosts: all
  gather_facts: false
  connection: local
  tasks:
    - name: Global by its nature
      ansible.builtin.pause:
        seconds: 1
      register: nature
    - name: The same, and said so
      ansible.builtin.pause:
        seconds: 1
      register: said
      run_once: true
    - name: Who has it
      ansible.builtin.debug:
        msg: "SEEN {{ inventory_hostname }} nature={{ nature is defined }} said={{ said is defined }}"
EOF
export HOME="$work" ANSIBLE_NOCOLOR=1 PATH="$work/venv/bin:$PATH"
"$work/venv/bin/ansible-playbook" --version >"$work/version"; sed -n 1p "$work/version"
"$work/venv/bin/ansible-playbook" -i one,two "$work/play.yml" >"$work/out" 2>&1 || { cat "$work/out"; exit 2; }
grep -o 'SEEN [^"]*' "$work/out" | sort | tee "$work/seen"
cat >"$work/wanted" <<'EOF'
SEEN one nature=True said=True
SEEN two nature=False said=True
EOF
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
