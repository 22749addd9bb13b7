# shellcheck shell=sh
# ipsecplan: what a rollback does. A part of revert.sh, which says the names and limits used here.

# give back the room that was set aside for a revert
spend() { rm -f "${ROOT}/reserve" /etc/ipsecplan/reserve; }

# place FROM TO: copy with mode and owner, in one rename
place() {
	cp -p "$1" "$2.ipsecplan-tmp" && mv -f "$2.ipsecplan-tmp" "$2" && return 0
	rm -f "$2.ipsecplan-tmp"
	return 1
}

# lost: the snapshot is not whole, so it does not say what was before. Everything of ours goes, as far as files of the
# release and what is loaded tell what that is.
lost() {
	before=lost
	snapshot=${ROOT}/base
	tx_dir=${RUN}/lost
	mkdir -p "${tx_dir}"
	sed 's/ [^ ]*$//' /etc/ipsecplan/peers >"${tx_dir}/peers" 2>/dev/null
	sed 's/.* //' /etc/ipsecplan/peers >"${tx_dir}/pairs" 2>/dev/null
	port=$(sed -n 's/.*udp dport \([0-9]*\) .*/\1/p' /etc/ipsecplan/guard-drop.nft 2>/dev/null | head -n 1)
	[ -z "${port}" ] || ! grep -q 'jump allowed' /etc/ipsecplan/guard-drop.nft || port=any
	echo "${port:-any}" >"${tx_dir}/port"
	sed -n 's/^\([^ ]*\) .*/\1/p' "${tx_dir}/peers" | sort -u | while read -r own; do
		case ${own} in *:*) to="src ::/0 dst ${own}/128" ;; *) to="src 0.0.0.0/0 dst ${own}/32" ;; esac
		[ "${port:-any}" = any ] || to="${to} proto udp dport ${port}"
		echo "${to}"
	done >"${tx_dir}/policy"
	[ ! -r /etc/ipsecplan/any.conf ] || sed -n 's/^ *remote_addrs = "\(.*\)".*/\1/p' /etc/ipsecplan/any.conf |
		while read -r span; do
			read -r own _ <"${tx_dir}/peers"
			case ${own} in *:*) echo "${own}/128 ${span}" ;; *) echo "${own}/32 ${span}" ;; esac
		done >"${tx_dir}/wildcard"
}

# token ADD|DEL: the address that tells others that this node has confirmed
token() {
	address=$(one_line "${tx_dir}/token")
	case ${address} in
	'') return 0 ;;
	*:*) address=${address}/128 ;;
	*) address=${address}/32 ;;
	esac
	if [ "$1" = add ]; then
		ip addr add "${address}" dev lo valid_lft 7200 preferred_lft 0
	else
		ip addr del "${address}" dev lo
	fi 2>/dev/null
	return 0
}

# Tells whether the node that is asked, one hop nearer to the one that decides, has confirmed this transaction: an
# address that it has only then answers a ping. Our guard drops what is not encrypted, so the answer came by ESP, from a
# node with the keys of that peer. Its own timer fired before ours: what it has not confirmed by now it never will.
witnessed() {
	[ -r "${tx_dir}/witness" ] && [ -r "${tx_dir}/confirmed.json" ] || return 1
	guard_drops || return 1
	read -r address via device <"${tx_dir}/witness"
	ip route replace "${address}" via "${via}" dev "${device}" onlink 2>/dev/null || return 1
	answer=1
	for _ in 1 2 3; do
		timeout 4 ping -n -c 1 -W 1 "${address}" >/dev/null 2>&1 && answer=0 && break
	done
	ip route delete "${address}" via "${via}" dev "${device}" 2>/dev/null
	return "${answer}"
}

# Confirm as the controller would have: the state, then the marker away, then the answer for those who ask us.
confirm() {
	at=$(date -u +%Y-%m-%dT%H:%M:%SZ)
	spend # the reserve is for this moment, a rollback or a confirm; the disk may be full
	sed "s/@AT@/${at}/g" "${tx_dir}/confirmed.json" >"${ROOT}/state.json.tmp" && sync "${ROOT}/state.json.tmp" &&
		mv -f "${ROOT}/state.json.tmp" "${ROOT}/state.json" || return 1
	rm -f "${ROOT}/open" "${RUN}/timer" "${RUN}/deadline"
	sync "${ROOT}"
	token add
}

# The first thing in every case: this node accepts what its peers still send, whatever that is.
accept_both() {
	token del
	: >"${RUN}/relaxed" # guard.sh puts nothing back meanwhile; it may have looked just before this, so wait for it
	flock -w 30 "${RUN}/guard.lock" true 2>/dev/null
	ip xfrm policy deleteall dir out action block priority 4000050 2>/dev/null # block policies
	if [ "${what}" != relax ] && [ -z "${old_release}" ]; then # nothing will be encrypted here: no guard at all
		drop_guard
	elif guard_loaded && [ -r /etc/ipsecplan/guard-count.nft ]; then
		nft -f /etc/ipsecplan/guard-count.nft || fail "nft refuses the guard that only counts"
	fi
	wide add
}

# A table that can't be deleted drops nothing, at least, once it is empty.
drop_guard() {
	nft delete table inet ipsecplan 2>/dev/null
	guard_loaded || return 0
	nft flush table inet ipsecplan 2>/dev/null
}

# wide add|delete: the policy that accepts what is clear and what is encrypted, for each address of this node
wide() {
	[ -r "${tx_dir}/policy" ] || return 0
	accept=${tx_dir}/both
	[ -r "${accept}" ] || accept=/dev/null
	while read -r selector; do
		read -r accepts <&3
		[ "$1" = add ] || accepts=
		[ "$1" = delete ] || accepts=${accepts:-action allow priority 1}
		# shellcheck disable=SC2086,SC2248  # both are words
		[ -n "${selector}" ] && ip xfrm policy "$1" dir in ${selector} ${accepts} 2>/dev/null
	done <"${tx_dir}/policy" 3<"${accept}"
	return 0
}

# send_clear ADD|DELETE: our packets leave in clear while every SA is still there for what peers have under way as ESP;
# were the SAs ended first, what is sent until both ends know of it would be lost. No source in the selector: the kernel
# takes one policy for a selector, and charon's have one.
send_clear() {
	port=$(one_line "${tx_dir}/port")
	how=
	[ "$1" = delete ] || how="action allow priority 1"
	while read -r local remote _; do
		case ${local} in *:*) any=::/0 width=128 ;; *) any=0.0.0.0/0 width=32 ;; esac
		to="dst ${remote}/${width}"
		[ "${port}" = any ] || to="dst ${any} proto udp dport ${port}"
		# shellcheck disable=SC2086,SC2248  # words
		ip xfrm policy "$1" dir out src "${any}" ${to} ${how} 2>/dev/null
		[ "${port}" = any ] || break # one policy is for every peer
	done <"${tx_dir}/peers"
	return 0
}

# Route-based tunnels, part of `plain`: before an SA ends, nothing may go into its interface any more. The rule first,
# because a table that is half empty still prohibits.
leave() {
	read -r _ _ number <"${tx_dir}/peers" && [ -n "${number}" ] || return 0
	for family in -4 -6; do
		ip "${family}" rule delete priority 45 lookup 40505
		ip "${family}" route flush table 40505
	done 2>/dev/null
	return 0
}

remove_interfaces() {
	while read -r _ _ number; do
		[ -z "${number}" ] || {
			device=$(printf 'xi-%08x' "${number}")
			ip link delete "${device}" 2>/dev/null
		}
	done <"${tx_dir}/peers"
}

# load_none: charon unloads every connection; where no file can be changed, this is the only way to have that
load_none() {
	printf 'connections {\n}\n' >"${RUN}/none.conf"
	timeout 120 swanctl --load-conns --file "${RUN}/none.conf" >/dev/null 2>&1
}

untrap() {
	[ -r /etc/ipsecplan/start-none.conf ] || return 0
	set -- /etc/ipsecplan/start-none.conf "${CONF}/ipsecplan-start.conf" # a charon that starts meanwhile reads it
	written=yes
	place "$@" || { spend && place "$@"; } || written=no # the disk is full: this is what the room was set aside for
	charon_runs || {
		[ "${charon}" != silent ] || fail "charon does not answer"
		return 0
	}
	if [ "${written}" = no ] && [ "${before}" != confirmed ]; then
		load_none || fail "charon takes no empty set of connections"
		return 0
	fi
	# a connection that charon refuses counts only where it keeps a trap: its key or certificate may not be there yet
	timeout 120 swanctl --load-conns >/dev/null 2>&1 || ! trapped || fail "charon keeps its traps"
}

restore_files() {
	stuck=0
	[ -r "$1/ipsec.list" ] || return 0
	while read -r was path; do
		case ${was} in
		present)
			mkdir -p "${path%/*}" && place "$1/tree${path}" "${path}" || stuck=$((stuck + 1))
			;;
		absent) rm -f "${path}" || stuck=$((stuck + 1)) ;;
		*) ;;
		esac
	done <"$1/ipsec.list"
	[ "${stuck}" -eq 0 ] || fail "${stuck} files can't be put back"
}

# load_old: charon gets the connections of before; from no file where the files of now can't be taken away
load_old() {
	if [ "${stuck}" -ne 0 ] && [ -z "${old_release}" ]; then
		load_none || fail "charon takes no empty set of connections"
		return 0
	fi
	[ -z "${old_release}" ] || timeout 120 swanctl --load-creds --clear --noprompt >/dev/null 2>&1
	timeout 120 swanctl --load-conns >/dev/null 2>&1 || fail "charon does not load the connections of before"
}

terminate_pairs() {
	count=0
	while read -r pair; do
		timeout 30 swanctl --terminate --ike "${pair}" --force >/dev/null 2>&1 &
		count=$((count + 1))
		[ $((count % 16)) -eq 0 ] && wait
	done <"${tx_dir}/pairs"
	if [ -r "${tx_dir}/wildcard" ] || [ -r "${ROOT}/tx/${old_tx}/wildcard" ]; then # SAs of the time at rest have its name
		timeout 30 swanctl --terminate --ike ipsecplan-any --force >/dev/null 2>&1 &
	fi
	wait
}

# What charon did not take with it (it was killed, or is gone): only the selectors and addresses of our peers.
sweep_kernel() {
	port=$(one_line "${tx_dir}/port")
	while read -r local remote number; do
		case ${local} in *:*) width=128 ;; *) width=32 ;; esac
		number=${number:+if_id ${number}}
		ip xfrm state deleteall src "${local}" dst "${remote}" proto esp 2>/dev/null
		ip xfrm state deleteall src "${remote}" dst "${local}" proto esp 2>/dev/null
		if [ "${port}" = any ]; then # everything between the hosts was protected
			ip xfrm policy delete dir out src "${local}/${width}" dst "${remote}/${width}" 2>/dev/null
			for way in in fwd; do
				ip xfrm policy delete dir "${way}" src "${remote}/${width}" dst "${local}/${width}" 2>/dev/null
			done
			continue
		fi
		# shellcheck disable=SC2086,SC2248  # words
		for side in sport dport; do
			ip xfrm policy delete dir out src "${local}/${width}" dst "${remote}/${width}" \
				proto udp "${side}" "${port}" ${number}
			for way in in fwd; do # the latter with tunnel mode
				ip xfrm policy delete dir "${way}" src "${remote}/${width}" dst "${local}/${width}" \
					proto udp "${side}" "${port}" ${number}
			done
		done 2>/dev/null
	done <"${tx_dir}/peers"
	[ -r "${tx_dir}/wildcard" ] || return 0
	read -r local remote <"${tx_dir}/wildcard"
	for side in sport dport; do
		ip xfrm policy delete dir out src "${local}" dst "${remote}" proto udp "${side}" "${port}" 2>/dev/null
		ip xfrm policy delete dir in src "${remote}" dst "${local}" proto udp "${side}" "${port}" 2>/dev/null
	done
}

# charon forgets our key; last, because nothing waits for it
forget_credentials() {
	charon_runs && timeout 120 swanctl --load-creds --clear --noprompt >/dev/null 2>&1
}

restore_sysctls() {
	[ -r "${tx_dir}/sysctl" ] || return 0
	while read -r path value; do
		[ -w "${path}" ] && echo "${value}" >"${path}"
	done <"${tx_dir}/sysctl"
}

# watched: the timer that collects metrics runs where the files have one, and what one that is gone wrote goes with it
watched() {
	if [ -e /etc/systemd/system/ipsecplan-metrics.timer ]; then
		[ "${what}" != boot ] && [ ! -e "${RUN}/metrics.started" ] || return 0
		wants=/etc/systemd/system/timers.target.wants
		mkdir -p "${wants}" && ln -sf ../ipsecplan-metrics.timer "${wants}/ipsecplan-metrics.timer"
		timeout 60 systemctl daemon-reload 2>/dev/null
		timeout 60 systemctl start ipsecplan-metrics.timer 2>/dev/null
		: >"${RUN}/metrics.started"
		return 0
	fi
	[ -e "${RUN}/metrics.started" ] || return 0
	[ "${what}" = boot ] || timeout 60 systemctl stop ipsecplan-metrics.timer ipsecplan-metrics.service 2>/dev/null
	rm -f /var/lib/prometheus/node-exporter/ipsecplan.prom "${RUN}/metrics.json" "${RUN}/metrics.code" "${RUN}/metrics.started"
}

# back: the whole way to $snapshot, in the order that loses least
back() {
	spend
	# a further try does not open again what the release of before has closed
	if [ -z "${old_release}" ] || [ "${tried}" = no ] || ! guard_drops; then accept_both; fi
	tried=yes
	[ -n "${old_release}" ] || leave
	restore_files "${snapshot}"
	if charon_runs; then
		load_old
		terminate_pairs
	fi
	if [ -z "${old_release}" ]; then
		wide delete
		send_clear delete
		if ! charon_runs || overlay_policies || states_left; then sweep_kernel; fi
		remove_interfaces
		restore_sysctls
		[ "${what}" = boot ] || timeout 60 systemctl stop ipsecplan-watch.service 2>/dev/null
	else
		rm -f "${RUN}/relaxed"
		if [ -r "${GUARD}" ]; then
			sh "${GUARD}" load || fail "the guard of before can't be loaded"
		elif [ -r /etc/ipsecplan/guard.nft ]; then # a release of before the block policies
			nft -f /etc/ipsecplan/guard.nft || fail "nft refuses the guard of before"
		fi
		[ ! -r "${ROUTE}" ] || sh "${ROUTE}" load || fail "the routes of before can't be made"
		wide delete
	fi
	watched
}
