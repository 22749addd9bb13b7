#!/bin/sh
# fping 5.1 (Debian 12) with -M (don't fragment): a packet that this host's own kernel refuses, since it is larger than the
# device's MTU, is counted by -c as sent and lost, and nothing says so: "xmt/rcv/%loss = 3/0/100%", without a word on
# standard error. A packet lost in a black hole on the path looks the same, so a search for the MTU with -c can't tell
# "refused here, and every program is told" from "lost there, and nobody is". Without -c the same refusal is said ("error
# while sending ping: Message too long"), and a router's answer is said in both.
# Needs root, unshare, iproute2, apt-get download. The package is unpacked into a temporary folder; two namespaces talk to
# each other and to nobody else.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
chmod 755 "$work"
(cd "$work" && apt-get download -qq fping >log 2>&1) || { tail -n 5 "$work/log"; exit 2; }
# shellcheck disable=SC2016  # dpkg's own
dpkg-deb -W --showformat='${Package} ${Version}\n' "$work"/fping_*.deb
dpkg-deb -x "$work"/fping_*.deb "$work/root"

cat >"$work/run" <<'RUN'
set -eu
mount -t tmpfs tmpfs /run
mkdir -p /run/netns
ip netns add there
ip link add here type veth peer name there netns there
ip address add 192.0.2.1/24 dev here
ip -n there address add 192.0.2.2/24 dev there
ip link set lo up
ip link set here up
ip -n there link set there up
for size in 1472 1473; do
  code=0
  timeout 30 "$1/root/usr/bin/fping" -M -c 3 -p 200 -b "$size" 192.0.2.2 >"$1/out" 2>&1 || code=$?
  echo "-c, $size bytes: $(grep -o 'xmt/rcv/%loss = [0-9/]*%' "$1/out"), exit $code"
  echo "-c, $size bytes, says: $(grep -c 'too long' "$1/out")"
done
timeout 30 "$1/root/usr/bin/fping" -M -b 1473 192.0.2.2 >"$1/out" 2>&1 || :
echo "without -c, 1473 bytes, says: $(grep -c 'Message too long' "$1/out")"
RUN
got=$(unshare --net --mount --pid --fork --kill-child sh "$work/run" "$work")
echo "$got"
changed=0
for line in "-c, 1472 bytes: xmt/rcv/%loss = 3/3/0%, exit 0" "-c, 1473 bytes: xmt/rcv/%loss = 3/0/100%, exit 1" \
  "-c, 1473 bytes, says: 0" "without -c, 1473 bytes, says: 1"; do
  echo "$got" | grep -qxF -e "$line" || { echo "expected: $line"; changed=1; }
done
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
