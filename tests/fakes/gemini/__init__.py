"""Gemini as far as a client of its streaming text interface sees it."""
