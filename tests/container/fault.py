"""What goes wrong."""


class Fault(Exception):
    """In one line."""
