#!/bin/sh
# ipsecplan: the VXLAN overlay of many hosts. Every host has the MAC address that the table says, so nobody has to ask or
# learn: a permanent neighbour, one forwarding entry and two routes a host, and no packet that goes to all of them.
# networkd makes the device and does nothing else with it: it takes 1,024 forwarding entries a file, and on a reload it
# takes everything away first. Needs no network and no Python.
#
#   overlay.sh add             what the table says and is not there
#   overlay.sh load            the same, and what the table does not say goes
#   overlay.sh check           exit code 1 when something of what the table says is not there
#   overlay.sh hold            adds it where something is not there, and never waits for the device
#   overlay.sh leave           everything of the table goes, but for the routes
#
# Each takes the folder of the table as a second word; without one it is that of the confirmed files.
# FOLDER/device has the device and the own overlay address; FOLDER/hosts a line a host of underlay address and pod subnet,
# whose first address is that of the host in the overlay and in its MAC address. All were made by ipsecplan.
set -u
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

FOLDER=${2:-/etc/ipsecplan/overlay}
WAIT_S=60
[ -r "${FOLDER}/device" ] && [ -r "${FOLDER}/hosts" ] || exit 0
read -r device own <"${FOLDER}/device"

# batch PROGRAM: runs the lines of standard input, all of them; `check` judges
batch() { "$1" -force -batch - >/dev/null 2>&1; }

# lists: what the device has, one a line: f MAC UNDERLAY, n OVERLAY MAC, r DESTINATION GATEWAY
lists() {
	bridge fdb show dev "${device}" 2>/dev/null |
		awk '$1 != "00:00:00:00:00:00" { for (i = 2; i < NF; i++) if ($i == "dst") print "f", $1, $(i + 1) }'
	ip neigh show dev "${device}" nud permanent 2>/dev/null |
		awk '{ for (i = 1; i < NF; i++) if ($i == "lladdr") print "n", $1, $(i + 1) }'
	ip -4 route show dev "${device}" 2>/dev/null |
		awk '{ via = "-"; for (i = 1; i < NF; i++) if ($i == "via") via = $(i + 1); print "r", $1, via }'
}

# wants: the same of the table
wants() {
	awk -v own="${own}" '{
		address = $2; sub("/.*", "", address); split(address, octets, ".")
		mac = sprintf("02:1e:%02x:%02x:%02x:%02x", octets[1], octets[2], octets[3], octets[4])
		if (address == own) next
		print "f", mac, $1; print "n", address, mac; print "r", address, "-"; print "r", $2, address
	}' "${FOLDER}/hosts"
}

# change KIND VERB: reads such lines, writes the ones of a kind as words of ip or bridge
change() {
	awk -v kind="$1" -v verb="$2" -v dev="${device}" '$1 == kind {
		if (kind == "f") print "fdb", verb, $2, "dev", dev, "dst", $3, "self" (verb == "replace" ? " permanent" : "")
		if (kind == "n") print "neigh", verb, $2, "lladdr", $3, "nud", "permanent", "dev", dev
		if (kind == "r") print "route", verb, $2, ($3 == "-" ? "scope link" : "via " $3 " onlink"), "dev", dev, "protocol kernel"
	}'
}

# lacking: lines of the table that the device has not; more: those that the device has beyond the table
lacking() { { lists; echo '='; wants; } | awk '$1 == "=" { late = 1; next } !late { has[$0]; next } !($0 in has)'; }
more() { { wants; echo '='; lists; } | awk '$1 == "=" { late = 1; next } !late { has[$0]; next } !($0 in has)'; }

there() {
	tries=$((WAIT_S * 5))
	while [ ! -e "/sys/class/net/${device}" ]; do
		tries=$((tries - 1))
		[ "${tries}" -gt 0 ] || { echo "ipsecplan: no device ${device} in ${WAIT_S} s" >&2; return 1; }
		sleep 0.2
	done
}

add() {
	there || return 1
	read -r was <"/sys/class/net/${device}/address"
	mac=$(echo "${own}" | { IFS=. read -r a b c d; printf '02:1e:%02x:%02x:%02x:%02x' "${a}" "${b}" "${c}" "${d}"; })
	if [ "${was}" != "${mac}" ]; then # peers without a table learn it from the announcement that this makes
		echo 1 >"/proc/sys/net/ipv4/conf/${device}/arp_notify"
		ip link set dev "${device}" address "${mac}" || return 1
	fi
	ip address replace "${own}/32" dev "${device}" || return 1
	ip link set dev "${device}" up || return 1
	lacking >"${work}"
	change f replace <"${work}" | batch bridge
	change n replace <"${work}" | batch ip
	change r replace <"${work}" | batch ip # a host's own address is in the table before its pods
}

load() {
	add || return 1
	more >"${work}"
	# only routes that this made: those of others have another protocol; pods' routes before what they lead to
	change r delete <"${work}" | awk '$4 == "via"' | batch ip
	change r delete <"${work}" | awk '$4 != "via"' | batch ip
	change n delete <"${work}" | batch ip
	change f delete <"${work}" | batch bridge
}

check() {
	[ -e "/sys/class/net/${device}" ] || return 1
	ip -4 -o address show dev "${device}" | grep -q " ${own}/32 " || return 1
	rest=$(lacking)
	[ -z "${rest}" ]
}

hold() {
	[ -e "/sys/class/net/${device}" ] || return 0
	check && return
	add && echo "ipsecplan: hosts of the overlay were gone; they are back"
}

leave() {
	wants >"${work}"
	change n delete <"${work}" | batch ip
	change f delete <"${work}" | batch bridge
}

mkdir -p /run/ipsecplan
work=/run/ipsecplan/overlay.$$
trap 'rm -f "$work"' EXIT
case ${1:-} in
add | load | check | hold | leave) "$1" ;;
*)
	echo "usage: overlay.sh add | load | check | hold | leave [FOLDER]" >&2
	exit 2
	;;
esac
