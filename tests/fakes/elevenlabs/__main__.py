"""python -m tests.fakes.elevenlabs --port 8102: ElevenLabs with the offline voice, or a tone where there is none."""

from __future__ import annotations

from tests.fakes.elevenlabs.server import FakeElevenLabs
from tests.fakes.vendor_server import arguments, serve_for_ever

from greenroom.plugins import local


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--tone", action="store_true", help="speak with a tone, without the extra `local`")
    given = parser.parse_args()
    voice = None if given.tone else local.TTS(seed=1).synthesize
    serve_for_ever(FakeElevenLabs(given.key, given.port, voice=voice), "elevenlabs")


if __name__ == "__main__":
    main()
