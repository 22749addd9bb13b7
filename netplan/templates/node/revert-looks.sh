# shellcheck shell=sh
# ipsecplan: what a rollback looks at, before and after. A part of revert.sh; changes nothing.

# What charon says: yes, no (it is not there; one that was killed leaves its socket behind), or silent. A silent one
# still has what it had: that is not a charon that does not run. Asked for once a try: what it is then, it stays.
charon=
charon_runs() {
	if [ -z "${charon}" ]; then
		charon=no
		if [ -S /run/charon.vici ] || [ -S /var/run/charon.vici ]; then
			timeout "${ASK_S}" swanctl --version --daemon >/dev/null 2>&1
			case $? in
			0) charon=yes ;;
			124 | 126 | 127 | 137 | 143) charon=silent ;; # out of time, or there is no program to ask it with
			*) ;;
			esac
		fi
	fi
	[ "${charon}" = yes ]
}

guard_loaded() { nft list table inet ipsecplan >/dev/null 2>&1; }

guard_drops() { nft list table inet ipsecplan 2>/dev/null | grep -q ' drop$'; }

# whether charon has a policy of ours that asks for an SA, or does not say
trapped() {
	policies=$(timeout "${ASK_S}" swanctl --list-pols --trap 2>/dev/null) || return 0
	printf '%s\n' "${policies}" | grep -Eq '^(pair-|ipsecplan-)'
}

# whether policies of ours are left that charon should have taken away
overlay_policies() {
	port=$(one_line "${tx_dir}/port")
	[ "${port}" != any ] || return 0
	ip xfrm policy list nosock 2>/dev/null | grep -Eq "(sport|dport) ${port}( |\$)"
}

# whether SAs are left: those of a charon that was killed, which the one that runs now does not know, or the place of one
# that a packet asked for and nobody will make now
states_left() { ip xfrm state list nokeys 2>/dev/null | grep -q "proto esp"; }

# left_over: a line for everything of the transaction that is still there, or is not as it was before
left_over() {
	files_left
	charon_left
	policies_left
	guard_left
	[ -n "${old_release}" ] || {
		states_of_peers
		interfaces_left
		sysctls_left
		[ "${what}" = boot ] || ! timeout 60 systemctl is-active ipsecplan-watch.service >/dev/null 2>&1 ||
			echo "ipsecplan-watch.service still runs"
	}
}

same() {
	one=$(cksum <"$1") && other=$(cksum <"$2") && [ "${one}" = "${other}" ]
}

files_left() {
	[ -r "${snapshot}/ipsec.list" ] || return 0
	while read -r was path; do
		if [ "${was}" = absent ]; then
			[ ! -e "${path}" ] && [ ! -L "${path}" ] || echo "the file ${path} is still there"
		elif ! same "${snapshot}/tree${path}" "${path}" 2>/dev/null; then
			echo "the file ${path} is not as it was"
		fi
	done <"${snapshot}/ipsec.list"
}

# names: of the connections of ours in what swanctl lists
names() { sed -n -e 's/^\(pair-[^:/ ]*\): .*/\1/p' -e 's/^\(ipsecplan-[^:/ ]*\): .*/\1/p' | sort -u; }

charon_left() {
	charon_runs || {
		[ "${charon}" != silent ] || echo "charon does not answer"
		return 0
	}
	loaded=$(timeout "${ASK_S}" swanctl --list-conns 2>/dev/null) || echo "charon does not list its connections"
	printf '%s\n' "${loaded}" | names | while read -r name; do
		known "${name}" || echo "charon has the connection ${name}"
	done
	[ -z "${old_release}" ] || return 0
	live=$(timeout "${ASK_S}" swanctl --list-sas 2>/dev/null) || echo "charon does not list its SAs"
	printf '%s\n' "${live}" | names | while read -r name; do echo "charon has an SA of ${name}"; done
	! trapped || echo "charon keeps traps"
}

# known NAME: a connection of the release that is in force again
known() {
	[ -n "${old_release}" ] || return 1
	case $1 in ipsecplan-*) return 0 ;; *) ;; esac
	grep -Fqx "$1" "${ROOT}/tx/${old_tx}/pairs" 2>/dev/null
}

policies_left() {
	policies=$(ip xfrm policy list nosock 2>/dev/null) || echo "the kernel does not list its policies"
	{
		[ ! -r "${tx_dir}/policy" ] || sed 's/$/ */' "${tx_dir}/policy" # the permissive ones, whole lines
		[ -n "${old_release}" ] || selectors
	} | while read -r selector; do
		[ "${selector}" = "*" ] || printf '%s\n' "${policies}" | grep -Ex "${selector}" | head -n 1
	done | sort -u | head -n 5 | while read -r one; do echo "the policy ${one}"; done
	[ -n "${old_release}" ] || ! printf '%s\n' "${policies}" | grep -q 'priority 4000050' || echo "block policies"
}

# selectors: patterns of the lines that every policy of ours has, and no other one
selectors() {
	port=$(one_line "${tx_dir}/port")
	case ${port} in
	'' | 0 | any) ;;
	*)
		echo "src .* (sport|dport) ${port}( .*)?"
		return 0
		;;
	esac
	while read -r local remote _; do
		case ${local} in *:*) width=128 any=::/0 ;; *) width=32 any=0.0.0.0/0 ;; esac
		echo "src ${local}/${width} dst ${remote}/${width}( .*)?"
		echo "src ${remote}/${width} dst ${local}/${width}( .*)?"
		echo "src ${any} dst ${remote}/${width} *"
	done <"${tx_dir}/peers"
}

guard_left() {
	if [ -z "${old_release}" ]; then
		! guard_loaded || echo "the guard (nft table inet ipsecplan) can't be deleted"
	elif grep -q ' drop$' /etc/ipsecplan/guard.nft 2>/dev/null && ! guard_drops; then
		echo "the guard of before does not drop"
	fi
}

states_of_peers() {
	states=$(ip xfrm state list nokeys 2>/dev/null) || echo "the kernel does not list its SAs"
	while read -r local remote _; do
		for ends in "src ${local} dst ${remote}" "src ${remote} dst ${local}"; do
			printf '%s\n' "${states}" | grep -Fqx -e "${ends}" -e "${ends} " && echo "an SA, ${ends}"
		done
	done <"${tx_dir}/peers" | head -n 5
}

interfaces_left() {
	while read -r _ _ number; do
		[ -z "${number}" ] || {
			device=$(printf 'xi-%08x' "${number}")
			[ ! -e "/sys/class/net/${device}" ] || echo "the interface ${device}"
		}
	done <"${tx_dir}/peers"
	! ip rule show 2>/dev/null | grep -q '^45:.*lookup 40505' || echo "the rule 45 to the table 40505"
}

sysctls_left() {
	[ -r "${tx_dir}/sysctl" ] || return 0
	while read -r path value; do
		# not by the shell: dash reads a byte at a time, and of a number there the kernel gives a second read nothing
		now=$(cat "${path}" 2>/dev/null) || continue
		[ "${now}" = "${value}" ] || echo "${path} is ${now}, it was ${value}"
	done <"${tx_dir}/sysctl"
}
