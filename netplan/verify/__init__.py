"""From measurements to a verdict; "verified" is said only of what was measured."""
