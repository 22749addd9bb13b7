"""The embedded lab: a small real cluster on this machine, for demonstrations and for tests against a real kernel.

Callers use :class:`netplan.lab.cluster.Lab`; importing this package alone costs nothing.
"""
