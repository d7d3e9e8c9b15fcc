"""Imported by imports_its_sibling."""
TEXT = b"from the sibling"
