"""The assessment: what protects whom with what, against a named policy, and what could not be judged."""
