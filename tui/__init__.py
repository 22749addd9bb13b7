"""The planner: a terminal interface over :mod:`netplan`. It contains no rules of its own; it asks, shows and calls."""
