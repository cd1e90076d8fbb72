"""python -m tests.fakes.gemini --port 8103: Gemini that calls functions by their names and repeats the rest."""

from __future__ import annotations

from tests.fakes.gemini.server import FakeGemini
from tests.fakes.vendor_server import arguments, serve_for_ever


def main() -> None:
    given = arguments(__doc__).parse_args()
    serve_for_ever(FakeGemini(given.key, given.port), "gemini")


if __name__ == "__main__":
    main()
