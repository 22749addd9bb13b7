"""What two nodes report of a good probe."""

from __future__ import annotations

from typing import Any

from tests.support import replies

ROW = replies.row(peer="n-b", esp=9, esp_full=3, algorithms=["AES_GCM_16-256"])


def node(me: str, peer: str) -> dict[str, Any]:
    esp = {"negotiated": ["AES_GCM_16-256"], "mode": "TRANSPORT"}
    return replies.node_json(f"n-{me}", [{"id": f"n-{peer}", "pair": "pair", "name": peer}], name=me, esp=esp)


NODES = [node("a", "b"), node("b", "a")]
