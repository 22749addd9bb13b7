"""The node's half of ipsecplan: what one round trip does on one node. Standard library only, Python >= 3.8.

The controller sends these files over SSH with a request on stdin and reads one line of JSON back; see
``docs/decisions/0010-node-transport.md``. Nothing here imports Ansible, and nothing here talks to another node
except by IKE and ping.
"""
