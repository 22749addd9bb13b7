#!/bin/sh
# strongSwan 6.0.1 (Debian 13): `swanctl --load-conns` a second time, with not one byte changed, ends an established IKE_SA
# that has no CHILD_SA. swanctl says "loaded connection" and exits 0; charon logs "vici closing IKE_SA" and tells the other
# end by a DELETE. Under 5.9.8 (Debian 12) the same IKE_SA stays. An end that began it and has moved on does not begin it
# again, so who brings up all IKE_SAs before the first CHILD_SA (childless initiation, RFC 6023) must not read the files
# twice.
# Needs root, mmdebstrap, unshare, iproute2. Packages of Debian suites go into a temporary folder; two charons talk to each
# other over lo of a network namespace of their own.
# APT_OPTIONS: one more line of apt.conf, where this machine's mirror needs it.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export LC_ALL=C
changed=0

# one end: $1 root, $2 own address, $3 port, $4 other address, $5 its port, $6 what to do
cat >"$work/end" <<'END'
set -eu
root=$1
mount -t tmpfs -o mode=0755 tmpfs "$root/run"
cat >"$root/run/strongswan.conf" <<CONF
charon-systemd { port = $3
  port_nat_t = $((3000 + $3))
  install_routes = no
  load_modular = yes
  plugins { include /etc/strongswan.d/charon/*.conf
  }
  journal { default = -1
  }
  filelog { stderr { default = 1
  } }
}
swanctl { load = pem pkcs1 x509 revocation constraints pubkey openssl random
}
CONF
cat >"$root/run/pair.conf" <<CONF
connections { pair { local_addrs = $2
  remote_addrs = $4
  local_port = $3
  remote_port = $5
  local { auth = psk
    id = $2
  }
  remote { auth = psk
    id = $4
  }
  children { child { mode = transport
  } }
} }
secrets { ike-pair { secret = not-a-secret
} }
CONF
STRONGSWAN_CONF=/run/strongswan.conf chroot "$root" /usr/sbin/charon-systemd >"$root/run/log" 2>&1 &
for _ in $(seq 100); do [ -S "$root/run/charon.vici" ] && break; sleep 0.1; done
ctl() { timeout 20 chroot "$root" swanctl "$@" 2>/dev/null; }
ctl --load-all --file /run/pair.conf >/dev/null
[ "$6" = begin ] || { sleep 40; exit 0; }
for _ in $(seq 10); do ctl --initiate --ike pair --timeout 3 >/dev/null && break; sleep 0.5; done
echo "before: $(ctl --list-sas | grep -c ESTABLISHED || :) up"
code=0
ctl --load-conns --file /run/pair.conf >"$root/run/said" || code=$?
sleep 1
grep "loaded connection" "$root/run/said"
echo "exit $code, then: $(ctl --list-sas | grep -c ESTABLISHED || :) up"
grep -o "vici closing IKE_SA.*" "$root/run/log" || echo "nothing closed"
END
cat >"$work/run" <<'RUN'
set -eu
mount --make-rprivate /
mount --bind "$1" "$1"
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
ip link set lo up
ip addr add 192.0.2.1/32 dev lo
ip addr add 192.0.2.2/32 dev lo
unshare --mount sh "$2" "$1" 192.0.2.2 1500 192.0.2.1 500 wait &
unshare --mount sh "$2" "$1" 192.0.2.1 500 192.0.2.2 1500 begin
RUN

look() { # $1 suite, $2 version, $3 IKE_SAs afterwards, $4 what charon logs of it
  root=$work/$1
  mmdebstrap --quiet --mode=root --variant=minbase --aptopt='Apt::Install-Recommends "false"' \
    ${APT_OPTIONS:+--aptopt="$APT_OPTIONS"} --include=charon-systemd,strongswan-swanctl,libstrongswan-standard-plugins \
    "$1" "$root" >"$work/log" 2>&1 || { tail -n 5 "$work/log"; exit 2; }
  # shellcheck disable=SC2016  # dpkg's own
  version=$(chroot "$root" dpkg-query -W -f '${Version}' strongswan-swanctl)
  echo "$1: strongSwan $version"
  case $version in "$2"*) ;; *) echo "  expected $2"; changed=1 ;; esac
  unshare --net --mount --pid --fork --kill-child sh "$work/run" "$root" "$work/end" >"$work/got"
  sed 's/^/  /' "$work/got"
  for line in "before: 1 up" "loaded connection 'pair'" "exit 0, then: $3 up" "$4"; do
    grep -qxF "$line" "$work/got" || { echo "  expected: $line"; changed=1; }
  done
}
look bookworm 5.9.8 1 "nothing closed"
look trixie 6.0.1 0 "vici closing IKE_SA 'pair' #1"
[ "$changed" = 0 ] || { echo "CHANGED"; exit 1; }
echo "as described"
