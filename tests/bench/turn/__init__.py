"""The turn: what the framework adds to an answer, to a stop, to a call. In real time, one process a scene."""
