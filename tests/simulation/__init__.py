"""A cluster in one process: the real engine and the real agent; the clock, disks, charons and timers are played.

One thread, no socket, no process, no real clock: a seed says everything that happens, and the same seed says it again.
``python -m tests.simulation --nodes N --seeds S`` runs many seeds and prints a table.
"""
