"""Offers that are wrong in any way are refused in a sentence; nothing of the library's comes out, nothing stays."""

from __future__ import annotations

import random

import pytest
from tests.fakes.browser import Browser
from tests.integration.webrtc.conftest import joined

from greenroom.plugins.local.webrtc.offers import OfferError


async def offer_of_a_browser(*, video: bool = False) -> str:
    browser = Browser(video=video)
    offer = await browser.offer()
    await browser.hang_up()
    return offer


async def refused(offer: str) -> str | None:
    """What is said of the offer; None if it was taken."""
    try:
        attended = await joined(offer)
    except OfferError as error:
        return str(error)
    await attended.leave()
    return None


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("a=mid:0", "a=mid:7", "does not bundle"),
        ("m=audio ", "m=audio x", "cannot be used"),
        ("a=rtcp-mux", "a=nothing", "RTCP mux is not enabled"),
        ("a=setup:actpass", "a=setup:loudly", "cannot be used"),
        ("opus/48000/2", "opus/48000/many", "has no Opus"),
        ("a=candidate:", "a=candidate:x ", None),
    ],
)
async def test_a_broken_line_is_refused_in_a_sentence(old: str, new: str, complaint: str | None) -> None:
    offer = await offer_of_a_browser()
    assert old in offer
    said = await refused(offer.replace(old, new))
    assert (said is None) if complaint is None else complaint in (said or "")


async def test_video_in_no_codec_of_ours_is_refused() -> None:
    offer = (await offer_of_a_browser(video=True)).replace("VP8/", "AV1/").replace("H264/", "AV1/")
    assert "video" in (await refused(offer) or "")


async def test_offers_that_were_damaged_are_taken_or_refused() -> None:
    """Lines lost, doubled, swapped, cut, words changed: never another error."""
    for seed in range(100):
        chance = random.Random(seed)
        offer = damaged(await offer_of_a_browser(video=seed % 2 == 0), chance)
        said = await refused(offer)
        assert said is None or len(said) < 400, f"seed {seed}"


def damaged(offer: str, chance: random.Random) -> str:
    lines = offer.split("\r\n")
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(1, len(lines))
        words = lines[at].split(" ")
        match chance.randrange(5):
            case 0:
                lines[at] = ""
            case 1:
                lines.insert(at, lines[chance.randrange(len(lines))])
            case 2:
                lines[at] = lines[at][: chance.randint(0, len(lines[at]))]
            case 3:
                words[chance.randrange(len(words))] = chance.choice(["", "0", "-1", "99999999999", "é", ":", "x" * 300])
                lines[at] = " ".join(words)
            case _:
                lines[at] = lines[at].replace(":", "=", 1)
    return "\r\n".join(line for line in lines if line) + "\r\n"
