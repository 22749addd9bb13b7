"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

# a slow or busy machine fails no property: how long an example takes is not what is tested
settings.register_profile("unhurried", settings.get_profile(settings.get_current_profile_name()), deadline=None)
settings.load_profile("unhurried")
