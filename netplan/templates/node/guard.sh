#!/bin/sh
# ipsecplan: keeps this node closed, whatever happens to charon and to nftables. Needs no network and no Python.
#
#   guard.sh load      guard and block policies as the files say: at boot before the network, and after a removal
#   guard.sh watch     does that within a second of the guard's disappearance; sleeps until nftables reports something
#   guard.sh hears     in a network namespace of its own: does nftables here report what `watch` waits for?
#   guard.sh orphans   before charon starts: removes the SAs that a killed charon left, which nobody would rekey
#   guard.sh wake      after it started: tells those peers, who still send what nobody here can decrypt
#
# Names, addresses and paths were made by ipsecplan; none is a user's text.
set -u
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

ETC=/etc/ipsecplan
RUN=/run/ipsecplan
SWANCTL=/etc/swanctl
TABLE="inet ipsecplan"
ROUTE=/usr/local/lib/ipsecplan/route.sh # with route-based tunnels only
OVERLAY=/usr/local/lib/ipsecplan/overlay.sh # with an overlay of many hosts only
RECHECK_S=300 # nftables reports every change, and says so when reports were lost
HOSTS_S=60 # but nothing reports that hosts of the overlay are gone
# lines among those of nft monitor
LOOK="ipsecplan: look"
ENDED="ipsecplan: nft monitor ended"

# The table as nft lists it; exit code 1 and nothing when there is none.
listing() {
	# shellcheck disable=SC2086  # two words
	listed=$(nft -s list table ${TABLE} 2>&1) && echo "${listed}" && return 0
	case ${listed} in
	*"No such file or directory"*) ;;
	*) echo "ipsecplan: ${listed}" >&2 ;;
	esac
	return 1
}

# First the guard, then all else. What the table has to look like is learned in a namespace of its own: here, somebody may
# flush at the wrong moment.
load() {
	nft -f "${ETC}/guard.nft" || return 1
	unshare --net /bin/sh "$0" learn >"${RUN}/guard.list.tmp" && mv -f "${RUN}/guard.list.tmp" "${RUN}/guard.list"
	grep -q ' drop$' "${ETC}/guard.nft" || return 0 # a guard that only counts has no block policies
	[ -r "${ETC}/floor" ] && ip -force -batch "${ETC}/floor"
	tunnels
	return 0
}

# Route-based tunnels; a way into an interface needs our address, which at boot comes later than this.
tunnels() {
	[ ! -r "${ROUTE}" ] || sh "${ROUTE}" check && return
	sh "${ROUTE}" hold
	sh "${ROUTE}" check && echo "ipsecplan: ways into the interfaces were gone; they are back"
}

learn() { nft -f "${ETC}/guard.nft" && listing; }

# One at a time. Who makes $RUN/relaxed and then has had this lock knows that nothing is about to reload the guard.
locked() {
	(
		flock -w 30 9
		"$@"
	) 9>"${RUN}/guard.lock"
}

# The hosts of a large overlay, after the guard: networkd takes them away when somebody has it reconfigure the device.
hosts() { [ ! -r "${OVERLAY}" ] || sh "${OVERLAY}" hold; }

# While revert.sh accepts clear packets, the file $RUN/relaxed says so.
keep() {
	[ -e "${RUN}/relaxed" ] || [ ! -r "${ETC}/guard.nft" ] && return
	if now=$(listing) && [ -r "${RUN}/guard.list" ] && learned=$(cat "${RUN}/guard.list") &&
		[ "${now}" = "${learned}" ]; then
		tunnels
		return
	fi
	load && echo "ipsecplan: the guard was gone or changed; it is back"
}

# Standard output: what nft reports in $1 seconds, and how it ended; what it complains of goes to the journal. Without a
# word for the kind of event: which words there are differs from version to version.
listen() {
	timeout "$1" nft monitor
	echo "${ENDED} $?"
}

# Of that, the lines that matter: of our table, the end of a change, reports that were lost, and our own.
matters() { grep --line-buffered -F -e "${TABLE}" -e "# new generation" -e "lost some" -e "${ENDED}" -e "${LOOK}"; }

# Standard input: these lines. Puts back what is gone at the end of each change to our table, however many lines it has.
# Exit code 1: nft ended by itself, so nothing is heard.
heed() {
	changed=
	while read -r line; do
		case ${line} in
		"${ENDED} 124") return 0 ;; # by timeout(1)
		"${ENDED} "*)
			locked keep
			return 1
			;;
		"${LOOK}" | *"lost some"*)
			changed=
			locked keep
			hosts
			;;
		*"${TABLE}"*) changed=1 ;;
		*)
			[ -z "${changed}" ] || locked keep
			changed=
			;;
		esac
	done
	return 1
}

watch() {
	cp "$0" "${RUN}/watching" # which version of this file it is that runs
	rm -f "${RUN}/deaf"
	pause=1
	while :; do
		every=${RECHECK_S}
		[ ! -r "${OVERLAY}" ] || every=${HOSTS_S}
		# lines of our own: what happened before nft listened, on a slow machine too
		if {
			listen "${every}" &
			for seconds in 1 4; do
				sleep "${seconds}"
				echo "${LOOK}"
			done
			wait
		} | matters | heed; then
			pause=1
			rm -f "${RUN}/deaf"
			continue
		fi
		: >"${RUN}/deaf"
		echo "ipsecplan: nft monitor ended, so a removed guard comes back only after up to ${pause} s" >&2
		sleep "${pause}"
		pause=$((pause * 2))
		[ "${pause}" -le "${RECHECK_S}" ] || pause=${RECHECK_S}
	done
}

# In a namespace that can be thrown away: is the removal of our table heard? Says why not. Few tries, so that lines which
# wait in a buffer until there are more don't count as heard.
hears() {
	heard=${RUN}/heard.$$
	timeout 60 nft monitor >"${heard}" 2>&1 &
	monitor=$!
	tries=0
	result=1
	while [ "${tries}" -lt 10 ]; do
		sleep 0.2
		# shellcheck disable=SC2086  # two words
		{ nft add table ${TABLE} && nft delete table ${TABLE}; } || break
		sleep 0.2
		if grep -q "delete table ${TABLE}" "${heard}" && grep -q "^# new generation" "${heard}"; then
			result=0
			break
		fi
		kill -0 "${monitor}" || break
		sleep "${tries}"
		tries=$((tries + 1))
	done
	kill "${monitor}" && wait "${monitor}"
	[ "${result}" = 0 ] || head -c 300 "${heard}"
	rm -f "${heard}"
	return "${result}"
}

orphans() {
	[ -e "${RUN}/relaxed" ] || tunnels
	# somebody does IKE here: the SAs are in use
	used=$(ss -Hlun 'sport = :500') && [ -z "${used}" ] || return 0
	[ -r "${ETC}/any.conf" ] && stale
	[ -r "${ETC}/peers" ] && ip xfrm state list nokeys | grep -q . || return 0
	while read -r local remote _; do
		ip xfrm state deleteall src "${local}" dst "${remote}" proto esp
		ip xfrm state deleteall src "${remote}" dst "${local}" proto esp
	done <"${ETC}/peers"
	: >"${RUN}/orphans"
}

# A wildcard's traps don't take the place of the policies that the SAs of a killed charon had, which go before them
# and ask for an SA that no charon knows. Block policies and the wildcard's own have other selectors.
stale() {
	while read -r local remote _; do
		case ${local} in *:*) width=128 ;; *) width=32 ;; esac
		ip xfrm policy deleteall dir out src "${local}/${width}" dst "${remote}/${width}"
		ip xfrm policy deleteall dir in src "${remote}/${width}" dst "${local}/${width}"
	done <"${ETC}/peers"
}

wake() {
	[ -e "${RUN}/orphans" ] && [ -r "${ETC}/peers" ] || return 0
	rm -f "${RUN}/orphans"
	if [ -r "${ETC}/any.conf" ]; then
		introduce
		return
	fi
	while read -r _ _ pair; do # a negative time: charon answers at once and goes on by itself
		timeout 10 swanctl --initiate --ike "${pair}" --timeout -1 >/dev/null
	done <"${ETC}/peers"
}

# A wildcard can't open IKE, and what its traps open says nothing of INITIAL_CONTACT, which is what makes peers forget.
# So for a moment there is a connection for each peer instead, without traps, and no IKE_SA of before it. Guard and
# block policies hold meanwhile.
introduce() {
	# swanctl takes no connection whose shared section is in another file
	# AppArmor lets it read nothing outside its folder
	cat "${ETC}/start-none.conf" "${ETC}/pairs.conf" >"${SWANCTL}/ipsecplan-introduce.conf"
	swanctl --load-conns --file "${SWANCTL}/ipsecplan-introduce.conf" >/dev/null
	rm -f "${SWANCTL}/ipsecplan-introduce.conf"
	timeout 10 swanctl --terminate --ike ipsecplan-any --force >/dev/null
	while read -r _ _ pair; do
		timeout 10 swanctl --initiate --ike "${pair}" --timeout -1 >/dev/null
	done <"${ETC}/peers"
	all=$(grep -c . "${ETC}/peers")
	for _ in 1 2 3 4 5 6; do
		sleep 0.5
		up=$(swanctl --list-sas | grep -c '^pair-.* ESTABLISHED')
		[ "${up}" -lt "${all}" ] || break
	done
	swanctl --load-conns >/dev/null
}

mkdir -p "${RUN}"
case ${1:-} in
load) locked load ;;
watch | orphans | wake | learn | hears) "$1" ;;
*)
	echo "usage: guard.sh load | watch | hears | orphans | wake" >&2
	exit 2
	;;
esac
