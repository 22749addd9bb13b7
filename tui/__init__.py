"""The planner: a terminal interface over :mod:`netplan`. It holds no rules; it asks, shows and passes on."""
