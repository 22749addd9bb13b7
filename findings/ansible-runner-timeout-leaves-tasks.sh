#!/bin/sh
# ansible-runner 2.4.3 with ansible-core 2.19.14: at `job_timeout` (and when it is cancelled, or `worker` gets a SIGTERM) the
# runner kills the process group of ansible-playbook and says "timeout". With ansible-core 2.18 that ends the task, too.
# From 2.19 on each fork of Ansible is the leader of a session of its own, so the kill does not reach it: the task that
# runs goes on to its end on the hosts, after the runner has ended with 254. Nobody reads its result, and its record is
# not among the events. The two are each as their notes say; only together they leave a task running.
# Met where a machine that carries Ansible for another one is stopped, and the nodes are asked again by somebody else.
# Needs python3 (3.11 to 3.13) with venv. Packages go into a temporary folder; takes about two minutes.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work" ANSIBLE_NOCOLOR=1

try() { # core version; prints what the runner says, and whether the task came to its end
	python3 -m venv "$work/$1"
	"$work/$1/bin/pip" -q install --disable-pip-version-check "ansible-core==$1" ansible-runner==2.4.3 2>"$work/log" || { tail -n 5 "$work/log"; exit 2; }
	mkdir -p "$work/run-$1/project" "$work/run-$1/inventory" "$work/run-$1/env"
	printf 'localhost ansible_connection=local ansible_python_interpreter="{{ ansible_playbook_python }}"\n' >"$work/run-$1/inventory/hosts"
	printf '{"job_timeout": 30}\n' >"$work/run-$1/env/settings"
	cat >"$work/run-$1/project/play.yml" <<-PLAY
		- hosts: all
		  gather_facts: false
		  tasks:
		    - ansible.builtin.shell: touch began && sleep 45 && touch ended
		      args:
		        chdir: $work/run-$1
	PLAY
	code=0
	PATH="$work/$1/bin:$PATH" "$work/$1/bin/ansible-runner" run "$work/run-$1" -p play.yml -i one >"$work/out" 2>&1 || code=$?
	test -e "$work/run-$1/began" || { cat "$work/out"; echo "the task had not begun after 30 s: a slow machine"; exit 2; }
	early=no
	test ! -e "$work/run-$1/ended" || early=yes
	for _ in $(seq 60); do
		test ! -e "$work/run-$1/ended" || break
		sleep 1
	done
	late=no
	test ! -e "$work/run-$1/ended" || late=yes
	echo "ansible-core $1: code $code, $(cat "$work/run-$1/artifacts/one/status"), ended before: $early, a minute later: $late"
}

{ try 2.18.12 && try 2.19.14; } >"$work/seen" || { cat "$work/seen"; exit 2; }
cat "$work/seen"
cat >"$work/wanted" <<'EOF2'
ansible-core 2.18.12: code 254, timeout, ended before: no, a minute later: no
ansible-core 2.19.14: code 254, timeout, ended before: no, a minute later: yes
EOF2
cmp -s "$work/seen" "$work/wanted" || { echo "CHANGED"; exit 1; }
echo "as described"
