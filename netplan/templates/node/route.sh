#!/bin/sh
# ipsecplan: route-based tunnels. An XFRM interface a peer, and what leads the overlay's packets into it: a rule by
# their UDP port, and a table with each peer's address. ESP has another protocol or port, so it is never led into itself.
# Beside each way into an interface stands a worse one that prohibits: an interface that is gone never means clear.
# Needs no network and no Python.
#
#   route.sh make FILE             the interfaces of FILE; nothing is led into them
#   route.sh enter FILE DEVICE...  the overlay's packets to the peers behind these interfaces go into them from now on
#   route.sh check                 exit code 1 when something of what /etc/ipsecplan/routes says is not there
#   route.sh hold                  makes all of that
#   route.sh load                  the same, and what the file does not name goes
#
# FILE has a line a peer: overlay port, own address, peer's address, interface, number, MTU. All were made by ipsecplan.
# networkd takes foreign routes and rules away, but for those of protocol "kernel" (networkd.conf(5)).
set -u
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

FILE=/etc/ipsecplan/routes
TABLE=40505
RULE=45
WORSE=4000050

family() { case $1 in *:*) echo -6 ;; *) echo -4 ;; esac; }

# batch: runs the lines of standard input with ip, all of them; what is there already is no fault, and `check` judges
batch() { ip -force -batch -; }

make() {
	while read -r _ _ _ device number mtu; do
		[ -e "/sys/class/net/${device}" ] || echo "link add ${device} type xfrm if_id ${number}"
		echo "link set dev ${device} mtu ${mtu} addrgenmode none up"
	done <"$1" | batch
}

# ways FILE [DEVICE...]: into these interfaces, or all; the better one first, so that no packet meets the other alone
ways() {
	from=$1
	shift
	while read -r _ own peer device _; do
		case " $* " in "  " | *" ${device} "*) ;; *) continue ;; esac
		echo "route replace ${peer} dev ${device} src ${own} table ${TABLE} metric 50 protocol kernel"
		echo "route replace prohibit ${peer} table ${TABLE} metric ${WORSE} protocol kernel"
	done <"${from}" | batch
}

# ways_now FAMILY [WORDS]: the table's routes; that there is no table yet is no fault
ways_now() {
	family=$1
	shift
	said=$(ip "${family}" route show table "${TABLE}" "$@" 2>&1) || case ${said} in
	*"table does not exist"*) said= ;;
	*)
		echo "ipsecplan: ${said}" >&2
		said=
		;;
	esac
	[ -z "${said}" ] || echo "${said}"
}

ruled() { ip "$1" rule show | grep -q "^${RULE}:.* dport $2 lookup ${TABLE}"; }

# rule FILE: the table counts, for what this node sends to the overlay's port
rule() {
	read -r port _ peer _ <"$1" || return 0
	family=$(family "${peer}")
	ruled "${family}" "${port}" ||
		ip "${family}" rule add priority "${RULE}" iif lo ipproto udp dport "${port}" lookup "${TABLE}" protocol kernel
}

enter() {
	ways "$@"
	rule "$1"
}

hold() {
	[ -r "${FILE}" ] || return 0
	make "${FILE}"
	ways "${FILE}"
	rule "${FILE}"
}

load() {
	[ -r "${FILE}" ] || return 0
	hold
	for family in -4 -6; do # peers that are no peers any more
		ways_now "${family}" type prohibit | while read -r _ peer _; do
			grep -q " ${peer} xi-" "${FILE}" || ip "${family}" route delete prohibit "${peer}" table "${TABLE}" metric "${WORSE}"
		done
	done
	for path in /sys/class/net/xi-????????; do
		device=${path##*/}
		[ ! -e "${path}" ] || grep -q " ${device} " "${FILE}" || ip link delete "${device}"
	done
	return 0
}

check() {
	[ -r "${FILE}" ] || return 0
	read -r port _ peer _ <"${FILE}" || return 0
	family=$(family "${peer}")
	ruled "${family}" "${port}" || return 1
	found=$(ways_now "${family}")
	while read -r _ _ peer device _; do
		case ${found} in *"prohibit ${peer} "*) ;; *) return 1 ;; esac
		case ${found} in *"${peer} dev ${device} "*) ;; *) return 1 ;; esac
	done <"${FILE}"
}

case ${1:-} in
make | enter | check | hold | load) "$@" ;;
*)
	echo "usage: route.sh make FILE | enter FILE DEVICE... | check | hold | load" >&2
	exit 2
	;;
esac
