"""A rollout whose pace a play of Ansible sets: the engine in a process of its own, which lives as long as the play."""
