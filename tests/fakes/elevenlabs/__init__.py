"""ElevenLabs as far as a text-to-speech client sees it."""
