"""Has an application that is none."""
application = "a text"
