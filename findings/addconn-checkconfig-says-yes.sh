#!/bin/sh
# libreswan 5.2 (Debian 13): `ipsec addconn --checkconfig` ends with 0 and says nothing about a conn that pluto refuses to
# load: esp=aes_gcm256-dh31, where the hyphen makes the group an integrity algorithm (a semicolon is right). It looks at no
# algorithm at all. And for a misspelt value, type=trnsport, it prints a warning and ends with 0, and so does loading it:
# pluto takes the conn with the default in its place, which is tunnel mode. Both ends say "added" or "ok", and the first
# packet finds out. So a check of a configuration before it is handed over has to load it (`ipsec add`, `ipsec status`).
# Met where far-end files for libreswan were to be checked without a daemon.
# Needs root, mmdebstrap, unshare. A root of Debian 13 goes into a temporary folder; nothing else is changed.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
root=$work/root
mmdebstrap --quiet --mode=root --variant=essential --aptopt='Apt::Install-Recommends "false"' \
  ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=libreswan,iproute2 trixie "$root" >"$work/log" 2>&1 ||
  { tail -n 5 "$work/log"; exit 2; }
for name in right hyphen misspelt; do
  type=transport esp='aes_gcm256;dh31'
  [ "$name" != hyphen ] || esp=aes_gcm256-dh31
  [ "$name" != misspelt ] || type=trnsport
  printf 'conn %s\n\ttype=%s\n\tleft=192.0.2.1\n\tright=192.0.2.2\n\tauthby=secret\n\tesp=%s\n\tauto=add\n' \
    "$name" "$type" "$esp" >"$root/$name.conf"
done
cat >"$root/try.sh" <<'IN'
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
ip link set lo up; ip address add 192.0.2.1/24 dev lo
mkdir -p /var/lib/ipsec/nss /run/pluto; : >/none.conf
certutil -N -d sql:/var/lib/ipsec/nss --empty-password
ipsec pluto --config /none.conf --nofork --stderrlog >/pluto.log 2>&1 &
tries=0
until ipsec whack --status >/dev/null 2>&1; do tries=$((tries + 1)); [ $tries -lt 300 ] || exit 2; sleep 0.1; done
for name in right hyphen misspelt; do
  said=$(ipsec addconn --checkconfig --config "/$name.conf" 2>&1) && code=0 || code=$?
  echo "$name: --checkconfig ends with $code${said:+ ($said)}"
  ipsec addconn --config "/$name.conf" "$name" 2>&1 | grep '^"' || :
  ipsec whack --status 2>/dev/null | sed -n "s/^\"$name\":.*policy: IKEv2.*+\(TUNNEL\|TRANSPORT\)+.*/  in pluto: \1/p"
done
ipsec whack --shutdown >/dev/null 2>&1
IN
chroot "$root" ipsec --version 2>/dev/null
unshare --net --pid --fork --kill-child --mount-proc="$root/proc" chroot "$root" sh /try.sh 2>/dev/null >"$work/got" ||
  { cat "$work/got"; exit 2; }
sed 's/^/  /' "$work/got"
cat >"$work/want" <<'END'
right: --checkconfig ends with 0
"right": added IKEv2 connection
  in pluto: TRANSPORT
hyphen: --checkconfig ends with 0
"hyphen": failed to add connection: ESP integrity algorithm 'dh31' is not recognized
misspelt: --checkconfig ends with 0 (ipsec addconn: /misspelt.conf:2: warning: invalid, keyword ignored: type=trnsport)
"misspelt": added IKEv2 connection
  in pluto: TUNNEL
END
cmp -s "$work/got" "$work/want" || { echo "  expected:"; sed 's/^/  /' "$work/want"; echo "CHANGED"; exit 1; }
echo "as described"
