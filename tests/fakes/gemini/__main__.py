"""python -m tests.fakes.gemini --port 8103: Gemini that calls functions by their names and repeats the rest.

With --live DIR over TLS and with the Live API, which hears with the offline recogniser and speaks with the offline
voice. Its certificate is written to DIR.
"""

from __future__ import annotations

from pathlib import Path

from tests.fakes.certificates import make_certificate
from tests.fakes.gemini.live import FakeLive
from tests.fakes.gemini.server import FakeGemini
from tests.fakes.vendor_server import arguments, serve_for_ever

from greenroom.plugins import local


async def recognise(pcm: bytes) -> str:
    utterance = local.STT().utterance()
    await utterance.feed(pcm)
    return await utterance.finish()


def main() -> None:
    parser = arguments(__doc__)
    parser.add_argument("--live", type=Path, metavar="DIR", help="over TLS, with the Live API")
    given = parser.parse_args()
    if given.live is None:
        serve_for_ever(FakeGemini(given.key, given.port), "gemini")
        return
    given.live.mkdir(parents=True, exist_ok=True)
    certificate = make_certificate(given.live)
    print(f"export SSL_CERT_FILE={certificate.file.absolute()}", flush=True)
    live = FakeLive(
        given.key,
        given.port,
        tls=certificate.server_context(),
        recognise=recognise,
        voice=local.TTS(seed=1).synthesize,
    )
    serve_for_ever(live, "gemini")


if __name__ == "__main__":
    main()
