"""ipsecplan: exact MTU under IPsec and overlays, a reviewable bundle, and a rollout that proves itself."""

__version__ = "0.1.0"
