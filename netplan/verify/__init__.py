"""Compares measurements with the plan. Only what was measured counts as verified."""
