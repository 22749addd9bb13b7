#!/bin/sh
# ipsecplan: rolls an unconfirmed change back on this node. Needs no network, no Python and no controller.
# (The network can only be the reason to keep a change that every node was prepared to confirm: see `witnessed`.)
#
#   revert.sh timer TX [UNIT]   the rollback timer of transaction TX fired, that of this unit; a node that is prepared
#                        to confirm asks first
#   revert.sh boot       at boot, before the network: an unconfirmed change does not survive a reboot
#   revert.sh operator   the controller rolls the open transaction back, all nodes in step
#   revert.sh relax      first part of that: clear and encrypted packets are both accepted, nothing is trapped
#   revert.sh plain      second part, once every node has done the first: our packets leave in clear, SAs stay
#   revert.sh self-test FILE   harmless: writes "passed" to FILE when all that it would need is there
#   revert.sh off        everything away, to the files of the time before ipsecplan
#
# A rollback ends when nothing of the transaction was found any more. Until then the transaction stays open, and a
# further timer and every boot go on; /run/ipsecplan/reverting says what is left.
# MTUs stay low in every case (a small MTU is always safe); only the controller raises them, receivers first.
# Safe to run twice, and from any phase. Names and paths below were made by ipsecplan; none is a user's text.
# The acts (revert-acts.sh) and the looks (revert-looks.sh) are put into one file with this, so that a node always has
# all of it or nothing.
set -u
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

ROOT=/var/lib/ipsecplan
RUN=/run/ipsecplan
CONF=/etc/swanctl/conf.d
GUARD=/usr/local/lib/ipsecplan/guard.sh
ROUTE=/usr/local/lib/ipsecplan/route.sh
SCRIPT=/usr/local/lib/ipsecplan/revert.sh
ASK_S=60                                         # for an answer of charon; it took 20 s on a busy node
LOCK_S=30                                        # one wait for the rollback that is at work
LOCK_TRIES=20                                    # and how many
STALE_S=900                                      # a rollback that takes longer hangs; its own commands have limits
PAUSES="2 5"                                     # seconds between the tries of one run
LATER="15 30 60 120 240 480 900 900 900 900"     # seconds until a further run, when something stayed
SETTLE_S=2                                       # charon works off what a client sent that was killed
what=${1:-}
failed=0
left=
killed=no

command -v timeout >/dev/null || timeout() { # without the program a command has no limit, but it runs
	shift
	"$@"
}

say() { echo "ipsecplan revert (${what}): $*"; }

# one_line FILE: its first line, or nothing
one_line() {
	line=
	[ -r "$1" ] && read -r line <"$1"
	printf '%s' "${line}"
}

uptime_s() {
	read -r up _ </proc/uptime
	printf '%s' "${up%%.*}"
}

# [parts]

# One rollback at a time. Who went on without the lock once took a connection for unloaded that the other one loaded
# again: swanctl reads the files before it asks charon, so the slower of two may have the older picture.
lock() {
	command -v flock >/dev/null || return 0
	(: >>"${RUN}/revert.lock") 2>/dev/null || return 0 # no room for it: better together than not at all
	exec 9>>"${RUN}/revert.lock"
	tries=0
	until flock -w "${LOCK_S}" 9; do
		tries=$((tries + 1))
		end_stale
		[ "${tries}" -lt "${LOCK_TRIES}" ] || return 1
	done
	read -r _ _ _ _ group _ <"/proc/$$/stat"
	now=$(uptime_s)
	echo "$$ ${group} ${now}" >"${RUN}/revert.holder"
}

# A holder that has hung for longer than all its limits goes, with what it has started.
end_stale() {
	[ -r "${RUN}/revert.holder" ] || return 0
	read -r holder group since <"${RUN}/revert.holder"
	now=$(uptime_s)
	[ $((now - since)) -ge "${STALE_S}" ] || return 0
	grep -q revert.sh "/proc/${holder}/cmdline" 2>/dev/null || return 0
	say "ends a rollback that has hung for $((now - since)) s"
	kill -s KILL -- "-${group}" 2>/dev/null
}

# begun_here: a rollback of this transaction has begun, whoever began it
begun_here() {
	begun=$(one_line "${RUN}/reverting")
	[ "${begun}" = "${tx}" ]
}

# reverting: from here on nobody may go on with this transaction, and no witness is asked
reverting() {
	begun_here || {
		printf '%s\n' "${tx}" >"${RUN}/reverting"
		rm -f "${RUN}/revert.tries"
	}
}

# again: a further run by a timer, later each time; after the last of them a boot or an operator goes on
again() {
	tries=$(one_line "${RUN}/revert.tries")
	tries=${tries:-0}
	# shellcheck disable=SC2086,SC2248  # numbers
	set -- ${LATER}
	if [ "${tries}" -ge $# ]; then
		say "tried $# times more; the next boot or an operator goes on"
		return 0
	fi
	shift "${tries}"
	tries=$((tries + 1))
	echo "${tries}" >"${RUN}/revert.tries"
	unit=ipsecplan-revert-${tx}-again${tries}x$$
	# --no-block: at boot, systemd starts no timer before this has ended
	if timeout 60 systemd-run --quiet --no-block --collect --unit="${unit}" --on-active="$1s" \
		--timer-property=AccuracySec=1s /bin/sh "${SCRIPT}" timer "${tx}" "${unit}"; then
		now=$(uptime_s)
		echo "${unit}" >"${RUN}/timer"
		echo "$((now + $1)).0" >"${RUN}/deadline"
		say "tries again in $1 s"
	fi
}

# undone: the whole way, a few times, until nothing of the transaction is found; what was found last is in $left
undone() {
	tried=no
	[ ! -e "${RUN}/revert.tries" ] || tried=yes
	# shellcheck disable=SC2086,SC2248  # numbers
	for pause in ${PAUSES} last; do
		failed=0
		charon=
		left=
		back
		found=$(left_over)
		if [ -z "${left}${found}" ] && [ "${killed}" = yes ]; then
			sleep "${SETTLE_S}"
			found=$(left_over)
		fi
		left="${left}${found}"
		[ "${failed}" -ne 0 ] || [ -n "${left}" ] || return 0
		[ "${pause}" = last ] || sleep "${pause}"
	done
	return 1
}

# fail WHAT: an act did not do what it should; the transaction can't be closed after it
fail() {
	failed=1
	left="${left}$*
"
}

# tell: what is left, to the journal and to whoever asks this node for its state
tell() {
	left=$(printf '%s\n' "${left}" | sed '/^$/d' | sort -u | head -n 20)
	printf '%s\n' "${tx}" "${left}" >"${RUN}/reverting.tmp" && mv -f "${RUN}/reverting.tmp" "${RUN}/reverting"
	printf '%s\n' "${left}" | while read -r one; do say "left: ${one}"; done
	say "transaction ${tx} is not wholly rolled back: ${left%%
*}"
}

write_state() { # state tx release result
	at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	printf '{"schema": 1, "state": "%s", "tx": "%s", "release": "%s", "at": "%s", "last": {"tx": "%s", "result": "%s", "by": "%s", "at": "%s"}}\n' \
		"$1" "$2" "$3" "${at}" "${tx}" "$4" "${what}" "${at}" >"${ROOT}/state.json.tmp" &&
		sync "${ROOT}/state.json.tmp" && mv -f "${ROOT}/state.json.tmp" "${ROOT}/state.json"
}

# closed STATE: the transaction has ended; false where that can't be written down
closed() {
	if [ -n "${old_release}" ]; then
		write_state confirmed "${old_tx}" "${old_release}" "$1" || return 1
	else
		write_state none "" "" "$1" || return 1
	fi
	[ -z "${old_tx}" ] || [ ! -d "${ROOT}/tx/${old_tx}" ] || printf '%s\n' "${old_tx}" >"${ROOT}/last"
	rm -f "${ROOT}/open" || return 1
	sync "${ROOT}"
	rm -f "${RUN}/timer" "${RUN}/deadline" "${RUN}/reverting" "${RUN}/revert.tries"
	rm -rf "${RUN}/lost"
}

# roll_back RESULT: all of it
roll_back() {
	if undone; then
		if closed "$1"; then
			[ -n "${old_release}" ] || forget_credentials
			[ "${what}" = boot ] || timeout 60 systemctl stop "ipsecplan-revert-${tx}-*.timer" 2>/dev/null
			return 0
		fi
		fail "the state can't be written to ${ROOT}"
	fi
	failed=1
	tell
	[ ! -s "${ROOT}/open" ] || again
}

if [ "${what}" = self-test ]; then
	for program in nft ip swanctl systemctl systemd-run flock timeout sync date sed sort cksum; do
		command -v "${program}" >/dev/null || {
			say "${program} is missing"
			exit 1
		}
	done
	flock -w 1 "${2:?}" true || exit 1
	echo passed >"${2:?}"
	exit 0
fi

mkdir -p "${RUN}"
lock || {
	say "another rollback is at work, for longer than it may"
	tx=$(one_line "${ROOT}/open")
	[ "${what}" != timer ] || [ -z "${tx}" ] || again
	exit 75
}

tx=$(one_line "${ROOT}/open")
opened=${tx}
case ${what} in
timer)
	[ -n "${tx}" ] && [ "${tx}" = "${2:-}" ] || exit 0
	# Armed anew after this timer had fired and before we got here, which takes seconds on a busy node? The unit that the
	# file names is stopped only once the file names another one, so one of them always goes on from here.
	newest=$(one_line "${RUN}/timer")
	if [ -n "${3:-}" ] && [ -n "${newest}" ] && [ "$3" != "${newest}" ]; then exit 0; fi
	agent=$(one_line "${RUN}/agent")
	# A hung step of the controller must not go on beside us; it runs in a process group of its own. dash takes `--` only
	# behind -s: `kill -9 -- -N` is a syntax error there and kills nobody.
	if [ -n "${agent}" ] && grep -q ipsecplan "/proc/${agent}/cmdline" 2>/dev/null; then
		kill -s KILL -- "-${agent}" 2>/dev/null
		rm -f "${RUN}/agent"
		killed=yes
	fi
	;;
boot | operator) [ -n "${tx}" ] || exit 0 ;;
relax | plain | off)
	# without an open transaction, only what is confirmed can be rolled back: a timer may just have been faster
	[ -n "${tx}" ] || { grep -q '"state": "confirmed"' "${ROOT}/state.json" 2>/dev/null && tx=$(one_line "${ROOT}/last"); }
	[ -n "${tx}" ] || exit 0
	;;
*)
	echo "usage: revert.sh timer TX | boot | operator | relax | plain | off" >&2
	exit 2
	;;
esac
tx_dir=${ROOT}/tx/${tx}
snapshot=${tx_dir}
before=none
old_tx=
old_release=
if [ ! -s "${tx_dir}/before" ]; then
	say "the snapshot of ${tx} is not whole: back to the time before ipsecplan"
	lost
elif [ -n "${opened}" ] && [ "${what}" != off ]; then # what goes back to a release that encrypts stays with it
	read -r before old_tx old_release <"${tx_dir}/before"
	if [ "${before}" != confirmed ]; then
		old_tx=
		old_release=
	fi
fi
if [ "${what}" = timer ] && [ "${before}" != lost ] && ! begun_here && witnessed && confirm; then
	say "transaction ${tx} is confirmed: its witness has confirmed it"
	exit 0
fi
[ -z "${opened}" ] || reverting

case ${what} in
relax)
	accept_both
	untrap
	say "clear and encrypted packets are accepted${left:+, but: ${left}}"
	;;
plain)
	[ "${before}" = confirmed ] || { leave && send_clear add; } # a release that encrypts has nothing to send in clear
	say "packets leave in clear"
	;;
off)
	snapshot=${ROOT}/base
	roll_back removed && [ "${failed}" -eq 0 ] && say "done"
	;;
*)
	roll_back reverted && [ "${failed}" -eq 0 ] && say "transaction ${tx} rolled back"
	;;
esac
exit "${failed}"
