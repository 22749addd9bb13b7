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
# MTUs stay low in every case (a small MTU is always safe); only the controller raises them, receivers first.
# Safe to run twice, and from any phase. Names and paths below were made by ipsecplan; none is a user's text.
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
what=${1:-}
failed=0

say() { echo "ipsecplan revert ($what): $*"; }

# one_line FILE: its first line, or nothing
one_line() {
	line=
	[ -r "$1" ] && read -r line <"$1"
	printf '%s' "$line"
}

# give back the room that was set aside for a revert
spend() { rm -f "$ROOT/reserve" /etc/ipsecplan/reserve; }

# place FROM TO: copy with mode and owner, in one rename
place() {
	cp -p "$1" "$2.ipsecplan-tmp" && mv -f "$2.ipsecplan-tmp" "$2"
}

# Whether charon answers; one that was killed leaves its socket behind. Asked for once: what it is then, it stays.
charon=
charon_runs() {
	if [ -z "$charon" ]; then
		charon=no
		{ [ -S /run/charon.vici ] || [ -S /var/run/charon.vici ]; } &&
			timeout 60 swanctl --version --daemon >/dev/null 2>&1 && charon=yes
	fi
	[ "$charon" = yes ]
}

guard_loaded() { nft list table inet ipsecplan >/dev/null 2>&1; }

# token ADD|DEL: the address that tells others that this node has confirmed
token() {
	address=$(one_line "$tx_dir/token")
	case $address in
	'') return 0 ;;
	*:*) address=$address/128 ;;
	*) address=$address/32 ;;
	esac
	if [ "$1" = add ]; then
		ip addr add "$address" dev lo valid_lft 7200 preferred_lft 0
	else
		ip addr del "$address" dev lo
	fi 2>/dev/null
	return 0
}

# Tells whether the node that is asked, one hop nearer to the one that decides, has confirmed this transaction: an
# address that it has only then answers a ping. Our guard drops what is not encrypted, so the answer came by ESP, from a
# node with the keys of that peer. Its own timer fired before ours: what it has not confirmed by now it never will.
witnessed() {
	[ -r "$tx_dir/witness" ] && [ -r "$tx_dir/confirmed.json" ] || return 1
	nft list table inet ipsecplan 2>/dev/null | grep -q ' drop$' || return 1
	read -r address via device <"$tx_dir/witness"
	ip route replace "$address" via "$via" dev "$device" onlink 2>/dev/null || return 1
	answer=1
	for try in 1 2 3; do
		timeout 4 ping -n -c 1 -W 1 "$address" >/dev/null 2>&1 && answer=0 && break
	done
	ip route delete "$address" via "$via" dev "$device" 2>/dev/null
	return $answer
}

# Confirm as the controller would have: the state, then the marker away, then the answer for those who ask us.
confirm() {
	at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	spend # the reserve is for this moment, a rollback or a confirm; the disk may be full
	sed "s/@AT@/$at/g" "$tx_dir/confirmed.json" >"$ROOT/state.json.tmp" && sync "$ROOT/state.json.tmp" &&
		mv -f "$ROOT/state.json.tmp" "$ROOT/state.json" || return 1
	rm -f "$ROOT/open" "$RUN/timer" "$RUN/deadline"
	sync "$ROOT"
	token add
}

# The first thing in every case: this node accepts what its peers still send, whatever that is.
accept_both() {
	token del
	: >"$RUN/relaxed" # guard.sh puts nothing back meanwhile; it may have looked just before this, so wait for it
	flock -w 30 "$RUN/guard.lock" true 2>/dev/null
	ip xfrm policy deleteall dir out action block priority 4000050 2>/dev/null # block policies
	if [ "$what" != relax ] && [ -z "$old_release" ]; then # nothing will be encrypted here: no guard at all
		nft delete table inet ipsecplan 2>/dev/null
	elif guard_loaded && [ -r /etc/ipsecplan/guard-count.nft ]; then
		nft -f /etc/ipsecplan/guard-count.nft || failed=1
	fi
	wide add
}

# wide add|delete: the policy that accepts what is clear and what is encrypted, for each address of this node
wide() {
	[ -r "$tx_dir/policy" ] || return 0
	accept=$tx_dir/both
	[ -r "$accept" ] || accept=/dev/null
	while read -r selector; do
		read -r accepts <&3
		[ "$1" = add ] || accepts=
		[ "$1" = delete ] || accepts=${accepts:-action allow priority 1}
		# shellcheck disable=SC2086  # both are words
		[ -n "$selector" ] && ip xfrm policy "$1" dir in $selector $accepts 2>/dev/null
	done <"$tx_dir/policy" 3<"$accept"
	return 0
}

# send_clear ADD|DELETE: our packets leave in clear while every SA is still there for what peers have under way as ESP;
# were the SAs ended first, what is sent until both ends know of it would be lost. No source in the selector: the kernel
# takes one policy for a selector, and charon's have one.
send_clear() {
	port=$(one_line "$tx_dir/port")
	how=
	[ "$1" = delete ] || how="action allow priority 1"
	while read -r local remote _; do
		case $local in *:*) any=::/0 width=128 ;; *) any=0.0.0.0/0 width=32 ;; esac
		to="dst $remote/$width"
		[ "$port" = any ] || to="dst $any proto udp dport $port"
		# shellcheck disable=SC2086  # words
		ip xfrm policy "$1" dir out src $any $to $how 2>/dev/null
		[ "$port" = any ] || break # one policy is for every peer
	done <"$tx_dir/peers"
	return 0
}

# Route-based tunnels, part of `plain`: before an SA ends, nothing may go into its interface any more. The rule first,
# because a table that is half empty still prohibits.
leave() {
	read -r _ _ number <"$tx_dir/peers" && [ -n "$number" ] || return 0
	for family in -4 -6; do
		ip $family rule delete priority 45 lookup 40505
		ip $family route flush table 40505
	done 2>/dev/null
	return 0
}

remove_interfaces() {
	while read -r _ _ number; do
		[ -z "$number" ] || ip link delete "$(printf 'xi-%08x' "$number")" 2>/dev/null
	done <"$tx_dir/peers"
}

untrap() {
	[ -r /etc/ipsecplan/start-none.conf ] || return 0
	set -- /etc/ipsecplan/start-none.conf "$CONF/ipsecplan-start.conf" # a charon that starts meanwhile reads it
	place "$@" || { spend && place "$@"; } # the disk is full: this is what the room was set aside for
	charon_runs || return 0
	# a connection that charon refuses counts only where it keeps a trap: its key or certificate may not be there yet
	timeout 120 swanctl --load-conns >/dev/null 2>&1 || ! trapped || failed=1
}

# whether charon has a policy of ours that asks for an SA, or does not say
trapped() {
	policies=$(timeout 60 swanctl --list-pols --trap 2>/dev/null) || return 0
	printf '%s\n' "$policies" | grep -Eq '^(pair-|ipsecplan-)'
}

restore_files() {
	[ -r "$1/ipsec.list" ] || return 0
	while read -r was path; do
		case $was in
		present)
			mkdir -p "${path%/*}"
			place "$1/tree$path" "$path" || failed=1
			;;
		absent) rm -f "$path" || failed=1 ;;
		esac
	done <"$1/ipsec.list"
}

terminate_pairs() {
	charon_runs || return 0
	count=0
	while read -r pair; do
		timeout 30 swanctl --terminate --ike "$pair" --force >/dev/null 2>&1 &
		count=$((count + 1))
		[ $((count % 16)) -eq 0 ] && wait
	done <"$tx_dir/pairs"
	if [ -r "$tx_dir/wildcard" ] || [ -r "$ROOT/tx/$old_tx/wildcard" ]; then # SAs from the time at rest have its name
		timeout 30 swanctl --terminate --ike ipsecplan-any --force >/dev/null 2>&1 &
	fi
	wait
}

# What charon did not take with it (it was killed, or is gone): only the selectors and addresses of our peers.
sweep_kernel() {
	port=$(one_line "$tx_dir/port")
	while read -r local remote number; do
		case $local in *:*) width=128 ;; *) width=32 ;; esac
		number=${number:+if_id $number}
		ip xfrm state deleteall src "$local" dst "$remote" proto esp 2>/dev/null
		ip xfrm state deleteall src "$remote" dst "$local" proto esp 2>/dev/null
		if [ "$port" = any ]; then # everything between the hosts was protected
			ip xfrm policy delete dir out src "$local/$width" dst "$remote/$width" 2>/dev/null
			ip xfrm policy delete dir in src "$remote/$width" dst "$local/$width" 2>/dev/null
			continue
		fi
		# shellcheck disable=SC2086  # words
		for side in sport dport; do
			ip xfrm policy delete dir out src "$local/$width" dst "$remote/$width" proto udp "$side" "$port" $number
			for way in in fwd; do # the latter with tunnel mode
				ip xfrm policy delete dir $way src "$remote/$width" dst "$local/$width" proto udp "$side" "$port" $number
			done
		done 2>/dev/null
	done <"$tx_dir/peers"
	[ -r "$tx_dir/wildcard" ] || return 0
	read -r local remote <"$tx_dir/wildcard"
	for side in sport dport; do
		ip xfrm policy delete dir out src "$local" dst "$remote" proto udp "$side" "$port" 2>/dev/null
		ip xfrm policy delete dir in src "$remote" dst "$local" proto udp "$side" "$port" 2>/dev/null
	done
}

# charon forgets our key; last, because nothing waits for it
forget_credentials() {
	charon_runs && timeout 120 swanctl --load-creds --clear --noprompt >/dev/null 2>&1
}

# whether policies of ours are left that charon should have taken away
overlay_policies() {
	[ "$(one_line "$tx_dir/port")" != any ] || return 0
	ip xfrm policy list nosock 2>/dev/null | grep -Eq "(sport|dport) $(one_line "$tx_dir/port")( |\$)"
}

# whether SAs are left: those of a charon that was killed, which the one that runs now does not know, or the place of one
# that a packet asked for and nobody will make now
states_left() { ip xfrm state list nokeys 2>/dev/null | grep -q "proto esp"; }

drop_permissive() { wide delete; }

restore_sysctls() {
	[ -r "$tx_dir/sysctl" ] || return 0
	while read -r path value; do
		[ -w "$path" ] && echo "$value" >"$path"
	done <"$tx_dir/sysctl"
}

write_state() { # state tx release result
	at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	printf '{"schema": 1, "state": "%s", "tx": "%s", "release": "%s", "at": "%s", "last": {"tx": "%s", "result": "%s", "by": "%s", "at": "%s"}}\n' \
		"$1" "$2" "$3" "$at" "$tx" "$4" "$what" "$at" >"$ROOT/state.json.tmp" &&
		sync "$ROOT/state.json.tmp" && mv -f "$ROOT/state.json.tmp" "$ROOT/state.json"
}

# back SNAPSHOT: the whole way, in the order that loses least
back() {
	spend
	accept_both
	[ -n "$old_release" ] || leave
	restore_files "$1"
	if charon_runs; then
		[ -z "$old_release" ] || timeout 120 swanctl --load-creds --clear --noprompt >/dev/null 2>&1
		timeout 120 swanctl --load-conns >/dev/null 2>&1 || failed=1
		terminate_pairs
	fi
	if [ -z "$old_release" ]; then
		drop_permissive
		send_clear delete
		if ! charon_runs || overlay_policies || states_left; then sweep_kernel; fi
		remove_interfaces
		restore_sysctls
		[ "$what" = boot ] || timeout 60 systemctl stop ipsecplan-watch.service 2>/dev/null
	else
		rm -f "$RUN/relaxed"
		if [ -r "$GUARD" ]; then
			sh "$GUARD" load || failed=1
		elif [ -r /etc/ipsecplan/guard.nft ]; then # a release of before the block policies
			nft -f /etc/ipsecplan/guard.nft || failed=1
		fi
		[ ! -r "$ROUTE" ] || sh "$ROUTE" load || failed=1
		drop_permissive
	fi
}

if [ "$what" = self-test ]; then
	for program in nft ip swanctl systemctl flock timeout sync date; do
		command -v "$program" >/dev/null || { say "$program is missing"; exit 1; }
	done
	echo passed >"${2:?}"
	exit 0
fi

mkdir -p "$RUN"
exec 9>"$RUN/revert.lock"
flock -w 120 9 2>/dev/null

tx=$(one_line "$ROOT/open")
case $what in
timer)
	[ -n "$tx" ] && [ "$tx" = "${2:-}" ] || exit 0
	# Armed anew after this timer had fired and before we got here, which takes seconds on a busy node? The unit that the
	# file names is stopped only once the file names another one, so one of them always goes on from here.
	newest=$(one_line "$RUN/timer")
	if [ -n "${3:-}" ] && [ -n "$newest" ] && [ "$3" != "$newest" ]; then exit 0; fi
	agent=$(one_line "$RUN/agent")
	# a hung step of the controller must not go on beside us; it runs in a process group of its own
	if [ -n "$agent" ] && grep -q ipsecplan "/proc/$agent/cmdline" 2>/dev/null; then
		kill -9 -- "-$agent" 2>/dev/null
		rm -f "$RUN/agent"
	fi
	;;
boot | operator) [ -n "$tx" ] || exit 0 ;;
relax | plain | off)
	# without an open transaction, only what is confirmed can be rolled back: a timer may just have been faster
	[ -n "$tx" ] || { grep -q '"state": "confirmed"' "$ROOT/state.json" 2>/dev/null && tx=$(one_line "$ROOT/last"); }
	[ -n "$tx" ] || exit 0
	;;
*)
	echo "usage: revert.sh timer TX | boot | operator | relax | plain | off" >&2
	exit 2
	;;
esac
tx_dir=$ROOT/tx/$tx
[ -d "$tx_dir" ] || { say "no snapshot of $tx"; exit 1; }
old_release=
old_tx=

case $what in
relax)
	accept_both
	untrap
	say "clear and encrypted packets are accepted"
	;;
plain)
	# what goes back to a release that encrypts has nothing to send in clear; an open transaction says what was before it
	before=none
	[ ! -s "$ROOT/open" ] || read -r before old_tx old_release <"$tx_dir/before"
	[ "$before" = confirmed ] || { leave && send_clear add; }
	say "packets leave in clear"
	;;
off)
	back "$ROOT/base"
	write_state none "" "" removed
	forget_credentials
	say "done"
	;;
*)
	if [ "$what" = timer ] && witnessed && confirm; then
		say "transaction $tx is confirmed: its witness has confirmed it"
		exit 0
	fi
	read -r before old_tx old_release <"$tx_dir/before"
	if [ "$before" != confirmed ]; then old_tx= old_release=; fi
	back "$tx_dir"
	write_state "$([ -n "$old_release" ] && echo confirmed || echo none)" "$old_tx" "$old_release" reverted
	[ -n "$old_tx" ] && [ -d "$ROOT/tx/$old_tx" ] && printf '%s\n' "$old_tx" >"$ROOT/last"
	rm -f "$ROOT/open" "$RUN/timer" "$RUN/deadline"
	sync "$ROOT"
	say "transaction $tx rolled back"
	[ -n "$old_release" ] || forget_credentials
	[ "$what" = boot ] || systemctl stop "ipsecplan-revert-$tx-*.timer" 2>/dev/null
	;;
esac
exit "$failed"
