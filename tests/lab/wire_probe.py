"""Runs on a node of the lab: what really leaves the NIC for each size of an inner packet.

Arguments: NIC, overlay address of the peer, underlay address of the peer, smallest and largest inner IP packet in
bytes. Prints one JSON object: inner size -> list of [protocol, IP length, is a fragment] of the outer packets.
"""

import json
import select
import socket
import struct
import sys

nic, overlay, underlay, low, high = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
capture = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
capture.bind((nic, 3))
capture.setblocking(False)
v6 = ":" in underlay
wanted = socket.inet_pton(socket.AF_INET6 if v6 else socket.AF_INET, underlay)
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.setsockopt(socket.IPPROTO_IP, 10, 3)  # IP_PMTUDISC_PROBE: DF set, and only the device's own MTU counts


def outer(frame):
    kind, p = struct.unpack("!H", frame[12:14])[0], frame[14:]
    if kind == 0x0800 and not v6 and p[16:20] == wanted:
        length, _, fragment = struct.unpack("!HHH", p[2:8])
        return [p[9], length, bool(fragment & 0x3FFF)]
    if kind == 0x86DD and v6 and p[24:40] == wanted and p[6] != 58:
        return [p[6], 40 + struct.unpack("!H", p[4:6])[0], p[6] == 44]
    return None


def send(size):
    seen = []
    sender.sendto(b"\xa5" * (size - 28), (overlay, 9))
    while select.select([capture], [], [], 0.3 if seen else 3)[0]:
        frame, address = capture.recvfrom(70000)
        if address[2] == socket.PACKET_OUTGOING:
            seen += [o for o in [outer(frame)] if o and (o[1] > 300 or o[2])]  # IKE and the answers are small
    return seen


send(low)  # resolve the neighbours first
print(json.dumps({size: send(size) for size in range(low, high + 1)}))
