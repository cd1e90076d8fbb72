"""Deciding without I/O: frozen values and `now` in, a tuple of actions out."""
