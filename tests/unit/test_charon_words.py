"""The words of charon, judged by meaning: a table of lines as strongSwan 5.9 and 6.0 write them."""

from __future__ import annotations

import pytest

from tests.lab.charon_words import listen, meaning

FAULTS = """
received proposals unacceptable
embedding X509 certificate in payload failed
no acceptable proposal found
received NO_PROPOSAL_CHOSEN notify error
no IKE config found for 10.77.0.11...10.77.0.12, sending NO_PROPOSAL_CHOSEN
no matching proposal found, trying alternative config
configured DH group CURVE_448 not supported
ENCRYPTION_ALGORITHM CHACHA20_POLY1305 (key size 256) not supported!
traffic selectors 10.77.0.11/32[udp] === 10.77.0.12/32[udp/4789] unacceptable
no acceptable traffic selectors found
received TS_UNACCEPTABLE notify, no CHILD_SA built
failed to establish CHILD_SA, keeping IKE_SA
authentication of 'CN=n-0123456789ab' (myself) failed
received AUTHENTICATION_FAILED notify error
tried 1 shared key for 'n-0123456789ab' - 'n-ba9876543210', but MAC mismatched
no shared key found for 'n-0123456789ab' - 'n-ba9876543210'
no trusted ECDSA public key found for 'n-0123456789ab'
no private key found for 'n-0123456789ab'
no matching peer config found
received IDr CN=n-1, but require CN=n-2
constraint check failed: identity 'CN=n-2' required
subject certificate invalid (valid from Nov 29 00:52:54 2026 to Nov 29 01:52:54 2027)
no issuer certificate found for "CN=n-0123456789ab"
certificate was revoked on Nov 29 00:52:54 UTC 2026, reason: unspecified
building CRED_CERTIFICATE - X509 failed, tried 4 builders
loading '/etc/swanctl/x509/ipsecplan.pem' failed: parsing X509 certificate failed
loading connection 'pair-0123456789ab' failed: invalid value for: proposals, config discarded
loading connection 'pair-0123456789ab' failed: unknown option: mobyke, config discarded
loaded 1 of 2 connections, 1 failed to load, 0 unloaded
unable to install IPsec policies (SPD) in kernel
unable to install inbound and outbound IPsec SA (SAD) in kernel
unable to add SAD entry with SPI c1d2e3f4 (FAILED)
unable to add policy 10.77.0.11/32[udp] === 10.77.0.12/32[udp/4789] out
received netlink error: Function not implemented (38)
algorithm AES_CTR not supported by kernel!
installing trap failed, remote address unknown
/etc/swanctl/conf.d/ipsecplan.conf:7: syntax error, unexpected STRING
payload type UNKNOWN is not supported, but payload is critical!
message parsing failed
IKE_AUTH request with message ID 1 processing failed
integrity check failed
strongswan.service: Main process exited, code=killed, status=6/ABRT
strongswan.service: Failed with result 'exit-code'.
generating IKE_SA_INIT response 0 [ N(NO_PROP) ]
parsed IKE_AUTH response 1 [ N(AUTH_FAILED) ]
parsed CREATE_CHILD_SA response 3 [ N(TS_UNACCEPT) ]
parsed IKE_AUTH response 1 [ IDr AUTH N(INVAL_SYN) ]
some future message: the frobnicator failed
"""
NOTED = """
ignoring request with ID 1, already processing
retransmit 1 of request with message ID 0
retransmit 12 of request with message ID 33
received retransmit of request with ID 1, retransmitting response
received message ID 0, expected 2, ignored
giving up after 5 retransmits
peer not responding, trying again (2/0)
establishing IKE_SA failed, peer not responding
deleting half open IKE_SA with 10.77.0.12 after timeout
ignoring IKE_SA setup from 10.77.0.12, per-IP half-open IKE_SA limit of 5 reached
retransmitting Netlink request (1/2)
detected CHILD_REKEY collision with CHILD_REKEY
detected IKE_REKEY collision with IKE_DELETE
CHILD_SA rekey collision won, deleting old child pair-0123456789ab-out{7}
IKE_SA rekey collision lost, deleting redundant IKE_SA pair-0123456789ab[7]
unable to create CHILD_SA while rekeying IKE_SA
received CHILD_SA_NOT_FOUND notify, no CHILD_SA built
received TEMPORARY_FAILURE notify, will retry later
deleting duplicate IKE_SA for peer 'n-0123456789ab' due to uniqueness policy
destroying duplicate IKE_SA for peer 'n-0123456789ab', received INITIAL_CONTACT
not establishing CHILD_SA pair-0{4} due to existing duplicate {3} with SPIs c1_i c2_o and TS a === b
ignoring acquire for reqid 3, connection attempt pending
querying SAD entry with SPI c1d2e3f4 failed: No such process (3)
received DELETE for unknown ESP CHILD_SA with SPI c1d2e3f4
CHILD_SA ESP/0xc1d2e3f4/10.77.0.12 not found for delete
unable to terminate IKE_SA: ID 2 not found
peer didn't accept DH group CURVE_25519, it requested ECP_384
"""
PLAIN = """
loaded certificate 'CN=n-0123456789ab'
added vici connection: pair-0123456789ab
initiating IKE_SA pair-0123456789ab[1] to 10.77.0.12
generating IKE_SA_INIT request 0 [ SA KE No N(NATD_S_IP) N(NATD_D_IP) N(FRAG_SUP) N(HASH_ALG) N(REDIR_SUP) ]
parsed IKE_SA_INIT response 0 [ N(INVAL_KE) ]
parsed CREATE_CHILD_SA response 4 [ N(TEMP_FAIL) ]
selected proposal: IKE:AES_GCM_16_256/PRF_HMAC_SHA2_384/CURVE_25519
authentication of 'n-0123456789ab' with ECDSA_WITH_SHA384_DER successful
CHILD_SA pair-0123456789ab-out{3} established with SPIs c1_i c2_o and TS a === b
closing CHILD_SA pair-0123456789ab-out{3} with SPIs c1_i (84 bytes) c2_o (84 bytes) and TS a === b
certificate status is not available
received 1 cert requests for an unknown ca
no files found matching '/etc/strongswan.d/*.conf'
plugin 'sqlite': failed to load - sqlite_plugin_create not found and no plugin file available
unable to load 5 plugin features (5 due to unmet dependencies)
faking NAT situation to enforce UDP encapsulation
signature validation failed, looking for another key
embedding PUBKEY certificate in payload failed
no authorities found, 0 unloaded
no pools found, 0 unloaded
successfully loaded 2 connections, 0 unloaded
strongswan.service: Deactivated successfully.
"""


@pytest.mark.parametrize(("kind", "lines"), [("fault", FAULTS), ("noted", NOTED), ("plain", PLAIN)])
def test_each_line_is_judged_by_its_meaning(kind: str, lines: str) -> None:
    wrong = {line: meaning(line) for line in lines.strip().splitlines() if meaning(line) != kind}
    assert not wrong


@pytest.mark.parametrize("prefix", ["", "charon-systemd[412]: ", "charon: 07[IKE] ", "09[KNL] "])
def test_who_says_it_does_not_matter(prefix: str) -> None:
    assert meaning(prefix + "retransmit 1 of request with message ID 0") == "noted"
    assert meaning(prefix + "unable to install IPsec policies (SPD) in kernel") == "fault"
    assert meaning(prefix + "sending packet: from 10.77.0.11[500] to 10.77.0.12[500] (240 bytes)") == "plain"


def test_a_log_is_sorted_into_faults_and_notes() -> None:
    said = listen(
        ["", "received proposals unacceptable", "IKE_SA deleted", "retransmit 1 of request with message ID 0"]
    )
    assert said.faults == ("received proposals unacceptable",)
    assert said.noted == ("retransmit 1 of request with message ID 0",)
