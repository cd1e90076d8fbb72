"""A browser's offer: what is wrong with it, and what of it is used. Pure; knows SDP and no library.

An offer comes from outside, so all that is read of it is bounded.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_OFFER_BYTES = 32 * 1024
MAX_MEDIA = 8
MAX_CANDIDATES = 32  # each is an address that this process sends checks to

_DIGESTS = ("sha-256", "sha-384", "sha-512")
_MEDIA = {"m=audio", "m=video", "m=application"}
_OPUS = re.compile(r"a=rtpmap:(\d{1,3}) opus/48000/2", re.IGNORECASE)
_NEEDED = (
    ("a=ice-ufrag:", "names no ICE user (a=ice-ufrag)"),
    ("a=ice-pwd:", "has no ICE password (a=ice-pwd)"),
    ("a=setup:", "does not say who begins the DTLS handshake (a=setup)"),
)


class OfferError(ValueError):
    """An offer that cannot be answered; the message says what is wrong with it."""


def check(offer: object) -> str:
    """`offer` if it is one: complete SDP with audio as Opus, in one transport. Raises :class:`OfferError`."""
    if not isinstance(offer, str):
        raise OfferError(f"the offer is a {type(offer).__name__}: it must be the browser's SDP, a string")
    if len(offer.encode(errors="replace")) > MAX_OFFER_BYTES:
        raise OfferError(f"the offer has more than {MAX_OFFER_BYTES} bytes")
    if not offer.startswith("v=0"):
        hint = ": give pc.localDescription.sdp alone" if offer.lstrip().startswith("{") else ""
        raise OfferError(f"the offer is not SDP, which begins with v=0{hint}")
    for complaint in _complaints(offer.splitlines()):
        raise OfferError(f"the offer {complaint}")
    return offer


def _complaints(lines: list[str]) -> Iterator[str]:
    session, *sections = _sections(lines)
    media = [section[0].split(" ")[0] for section in sections]
    if "m=audio" not in media:
        yield "has no audio (m=audio)"
    if len(media) > MAX_MEDIA:
        yield f"has {len(media)} media (m=), at most {MAX_MEDIA} are taken"
    if set(media) - _MEDIA or media.count("m=application") > 1:
        yield "has other media (m=) than audio, video and one application"
    if not any(_OPUS.match(line) for line in lines):
        yield "has no Opus (a=rtpmap:… opus/48000/2)"
    mids = [_values(section, "a=mid:") for section in sections]
    if any(len(one) != 1 for one in mids) or sorted(one[0] for one in mids) != sorted(_bundled(session)):
        yield "does not bundle its media in one transport (a=group:BUNDLE)"
    for start, complaint in _NEEDED:
        if not _values(lines, start):
            yield complaint
    digests = [value.split(" ")[0].lower() for value in _values(lines, "a=fingerprint:")]
    if not set(digests) & set(_DIGESTS):
        yield f"has no fingerprint of a certificate (a=fingerprint with {', '.join(_DIGESTS)})"


def _values(lines: list[str], start: str) -> list[str]:
    return [line.removeprefix(start) for line in lines if line.startswith(start)]


def _bundled(session: list[str]) -> list[str]:
    return [mid for value in _values(session, "a=group:BUNDLE ") for mid in value.split(" ")]


def prepared(offer: str) -> str:
    """The offer as it is given to the library.

    Without addresses that only a multicast could find (they take a second each; the browser finds us, and is known
    then), without their end, so that a browser behind a translation of addresses is waited for, and without header
    extensions for sound, which cost work for every packet. The addresses of the medium that carries the others stand
    in all: browsers collect some for each, and the library would take those of the last.
    """
    sections = _sections(offer.splitlines())
    carrier = f"a=mid:{_bundled(sections[0])[0]}"
    candidates = [line for section in sections if carrier in section for line in section if _usable(line)]
    kept = [line for section in sections for line in _kept(section, candidates[:MAX_CANDIDATES])]
    return "\r\n".join(kept) + "\r\n"


def _sections(lines: list[str]) -> list[list[str]]:
    """What stands before the first medium, then each medium."""
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        sections[-1].append(line)
    return sections


def _kept(section: list[str], candidates: list[str]) -> Iterator[str]:
    medium = section[0].split(" ")[0]
    for line in section:
        extension = medium == "m=audio" and line.startswith("a=extmap:")
        if not extension and not line.startswith(("a=candidate:", "a=end-of-candidates")):
            yield line
    if medium.startswith("m="):
        yield from candidates


def _usable(line: str) -> bool:
    """Whether it is a candidate that packets can be sent to."""
    words = line.split(" ")
    if not line.startswith("a=candidate:") or len(words) < 6 or words[2].lower() != "udp":
        return False
    try:
        return bool(ip_address(words[4])) and 0 < int(words[5]) < 65_536
    except ValueError:  # also a name, which only a multicast would find
        return False


def tuned(answer: str) -> str:
    """The answer, asking the browser for sound as an agent hears it: no more than 16 kHz, mono, nothing in silence."""
    lines: list[str] = []
    for line in answer.splitlines():
        lines.append(line)
        if opus := _OPUS.match(line):
            lines.append(f"a=fmtp:{opus[1]} maxplaybackrate=16000;stereo=0;useinbandfec=0;usedtx=1")
    return "\r\n".join(lines) + "\r\n"
