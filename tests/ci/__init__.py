"""What `make test` and `make drills` run besides pytest: the stages with their shares of time, and the Pythons."""
