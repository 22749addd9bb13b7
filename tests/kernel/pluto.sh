#!/bin/sh
# pluto.sh ROOT WORK: in a mount, process and network namespace of its own, run the pluto of the Debian root ROOT and have
# it load the conns of WORK/NAME.conf, one file after the other. WORK has far-end.p12, passphrase, addresses, words.
# It gets, for each file, NAME.added (what `ipsec add` said) and NAME.status, and words.said (a line: code and word).
set -eu
if [ "${3:-}" != inside ]; then
    root=$1
    mount --make-rprivate /
    mount --bind "$root" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs -o mode=755 run "$root/run"
    mount -t tmpfs -o mode=1777 tmp "$root/tmp"
    mount -t tmpfs -o mode=700 nss "$root/var/lib/ipsec"
    mkdir "$root/run/given"
    mount --bind "$2" "$root/run/given"
    cp "$0" "$root/run/pluto.sh"
    exec chroot "$root" /bin/sh /run/pluto.sh / /run/given inside
fi
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
cd "$2"
ip link set lo up
for address in $(cat addresses); do ip address add "$address" dev lo; done
mkdir -p /var/lib/ipsec/nss /run/pluto
database=sql:/var/lib/ipsec/nss
certutil -N -d "$database" --empty-password
pk12util -i far-end.p12 -d "$database" -w passphrase >/dev/null
certutil -M -d "$database" -n ipsecplan -t CT,,
: >none.conf
ipsec pluto --config "$PWD/none.conf" --nofork --stderrlog >pluto.log 2>&1 &
tries=0
while ! ipsec whack --status >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || { echo "pluto does not answer"; tail -n 5 pluto.log; exit 1; }
    sleep 0.1
done
while read -r name; do
    for conn in $(cat "$name.conns"); do ipsec addconn --config "$PWD/$name.conf" "$conn" 2>&1 || :; done >"$name.added"
    ipsec whack --status >"$name.status" 2>&1
    for conn in $(cat "$name.conns"); do ipsec whack --delete --name "$conn" >/dev/null 2>&1 || :; done
done <names
while read -r word; do
    if ipsec algparse -v2 -pfs=yes "$word" >/dev/null 2>&1; then echo "0 $word"; else echo "1 $word"; fi
done <words >words.said
ipsec whack --shutdown >/dev/null 2>&1 || :
