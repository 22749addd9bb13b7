"""Dialogs: screens on top of another one that return an answer."""
