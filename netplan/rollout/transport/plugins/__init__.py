"""Plugins that Ansible loads in a step: where a login's password comes from, and doas. Ansible imports them itself."""
