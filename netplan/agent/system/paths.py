"""Paths on the node that more than one module uses."""

from __future__ import annotations

RUN = "/run/ipsecplan"  # gone after a boot
KEY = "/etc/swanctl/private/ipsecplan.pem"
CERTIFICATE = "/etc/swanctl/x509/ipsecplan.pem"
CA = "/etc/swanctl/x509ca/ipsecplan-ca.pem"
CA_NEXT = "/etc/swanctl/x509ca/ipsecplan-ca-next.pem"  # the same certificate unless a new CA is on its way
PUBLIC = "/etc/swanctl/pubkey"  # raw public keys: our own, and one file a peer
START = "/etc/swanctl/conf.d/ipsecplan-start.conf"
ETC = "/etc/ipsecplan"
GUARD = ETC + "/guard.nft"
GUARD_UNIT = "/etc/systemd/system/ipsecplan-guard.service"
BOOT_UNIT = "/etc/systemd/system/ipsecplan-boot.service"
OVERLAY_UNIT = "/etc/systemd/system/ipsecplan-overlay.service"  # with an overlay of many hosts only
SECRETS = "/etc/swanctl/conf.d/ipsecplan-secrets.conf"
