"""A stream of words into sentences, each as soon as it is whole. Pure."""

from __future__ import annotations

import re

# A full stop ends a sentence unless it stands in a number, after one letter or after a title.
_ABBREVIATION = re.compile(r"(?:^|[\s(\"'])(?:[A-Za-z]|Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e)\.$")
_END = re.compile(r"[.!?…]+[\"'”’)\]]*(?=\s|$)")
_NUMBER = re.compile(r"\d\.$")
MAX_SENTENCE_CHARACTERS = 400


class SentenceSplitter:
    """Feed it pieces of text; it gives back sentences."""

    def __init__(self) -> None:
        self._text = ""

    def push(self, piece: str) -> list[str]:
        """The sentences that `piece` completes.

        A full stop at the very end counts at once: waiting for the next word would cost its whole delay.
        """
        self._text += piece
        sentences = []
        while (end := self._end()) is not None:
            sentences.append(self._text[:end].strip())
            self._text = self._text[end:].lstrip()
        return [sentence for sentence in sentences if sentence]

    def rest(self) -> str:
        """What is left when no more text comes."""
        rest, self._text = self._text.strip(), ""
        return rest

    def _end(self) -> int | None:
        for match in _END.finditer(self._text):
            head = self._text[: match.end()]
            at_edge = match.end() == len(self._text)
            if _ABBREVIATION.search(head) or (at_edge and _NUMBER.search(head)):
                continue
            return match.end()
        if len(self._text) > MAX_SENTENCE_CHARACTERS:
            return self._text.rfind(" ", 0, MAX_SENTENCE_CHARACTERS) + 1 or MAX_SENTENCE_CHARACTERS
        return None
