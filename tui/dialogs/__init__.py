"""Dialogs: screens that lie on another one and end with an answer."""
