"""Apply a bundle to a running cluster in an order that loses no packet and leaks none, or roll it back."""
