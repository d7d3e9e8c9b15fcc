"""Raises while it is imported."""
raise RuntimeError("the reason it can't start")
