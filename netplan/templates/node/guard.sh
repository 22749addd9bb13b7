#!/bin/sh
# ipsecplan: keeps this node closed, whatever happens to charon and to nftables. Needs no network and no Python.
#
#   guard.sh load      guard and block policies as the files say: at boot before the network, and after a removal
#   guard.sh watch     does that within a second of the guard's disappearance; sleeps until nftables reports something
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
TABLE="inet ipsecplan"
ROUTE=/usr/local/lib/ipsecplan/route.sh # with route-based tunnels only
RECHECK_S=60

fingerprint() {
	# shellcheck disable=SC2086  # two words
	nft -s list table ${TABLE} 2>/dev/null | cksum
}

# What the table has to look like is learned in a namespace of its own: here, somebody may flush at the wrong moment.
load() {
	unshare --net /bin/sh "$0" learn >"${RUN}/guard.sum.tmp" && mv -f "${RUN}/guard.sum.tmp" "${RUN}/guard.sum"
	nft -f "${ETC}/guard.nft" || return 1
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

learn() { nft -f "${ETC}/guard.nft" && fingerprint; }

# One at a time. Who makes $RUN/relaxed and then has had this lock knows that nothing is about to reload the guard.
locked() {
	(
		flock -w 30 9
		"$@"
	) 9>"${RUN}/guard.lock"
}

# While revert.sh accepts clear packets, the file $RUN/relaxed says so.
keep() {
	[ -e "${RUN}/relaxed" ] || [ ! -r "${ETC}/guard.nft" ] && return
	loaded=$(fingerprint)
	learned=$(cat "${RUN}/guard.sum" 2>/dev/null)
	if [ "${loaded}" = "${learned}" ]; then
		tunnels
		return
	fi
	load && echo "ipsecplan: the guard was gone or changed; it is back"
}

watch() {
	while :; do
		# a line of our own after a second: what happened before nft listened
		{
			timeout "${RECHECK_S}" nft monitor destroy 2>/dev/null &
			sleep 1
			echo "${TABLE}"
			wait
		} | grep --line-buffered -F "${TABLE}" | while read -r _; do locked keep; done
	done
}

orphans() {
	[ -e "${RUN}/relaxed" ] || tunnels
	# somebody does IKE here: the SAs are in use
	ike=$(ss -Hlun 'sport = :500' 2>/dev/null)
	[ -z "${ike}" ] || return 0
	[ -r "${ETC}/any.conf" ] && stale
	[ -r "${ETC}/peers" ] && ip xfrm state list nokeys 2>/dev/null | grep -q . || return 0
	while read -r local remote _; do
		ip xfrm state deleteall src "${local}" dst "${remote}" proto esp 2>/dev/null
		ip xfrm state deleteall src "${remote}" dst "${local}" proto esp 2>/dev/null
	done <"${ETC}/peers"
	: >"${RUN}/orphans"
}

# A wildcard's traps don't take the place of the policies that the SAs of a killed charon had, which go before them
# and ask for an SA that no charon knows. Block policies and the wildcard's own have other selectors.
stale() {
	while read -r local remote _; do
		case ${local} in *:*) width=128 ;; *) width=32 ;; esac
		ip xfrm policy deleteall dir out src "${local}/${width}" dst "${remote}/${width}" 2>/dev/null
		ip xfrm policy deleteall dir in src "${remote}/${width}" dst "${local}/${width}" 2>/dev/null
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
		timeout 10 swanctl --initiate --ike "${pair}" --timeout -1 >/dev/null 2>&1
	done <"${ETC}/peers"
}

# A wildcard can't open IKE, and what its traps open says nothing of INITIAL_CONTACT, which is what makes peers forget.
# So for a moment there is a connection for each peer instead, without traps, and no IKE_SA of before it. Guard and
# block policies hold meanwhile.
introduce() {
	# swanctl takes no connection whose shared section is in another file
	cat "${ETC}/start-none.conf" "${ETC}/pairs.conf" >"${RUN}/introduce.conf"
	swanctl --load-conns --file "${RUN}/introduce.conf" >/dev/null 2>&1
	timeout 10 swanctl --terminate --ike ipsecplan-any --force >/dev/null 2>&1
	while read -r _ _ pair; do
		timeout 10 swanctl --initiate --ike "${pair}" --timeout -1 >/dev/null 2>&1
	done <"${ETC}/peers"
	all=$(grep -c . "${ETC}/peers")
	for _ in 1 2 3 4 5 6; do
		sleep 0.5
		up=$(swanctl --list-sas 2>/dev/null | grep -c '^pair-.* ESTABLISHED')
		[ "${up}" -lt "${all}" ] || break
	done
	swanctl --load-conns >/dev/null 2>&1
}

mkdir -p "${RUN}"
case ${1:-} in
load) locked load ;;
watch | orphans | wake | learn) "$1" ;;
*)
	echo "usage: guard.sh load | watch | orphans | wake" >&2
	exit 2
	;;
esac
