"""One harness for everything that reads what somebody else wrote; see :mod:`tests.fuzz.harness`."""
