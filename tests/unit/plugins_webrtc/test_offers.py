"""What is wrong with an offer is said before the library sees it."""

from __future__ import annotations

import pytest

from greenroom.plugins.local.webrtc.offers import MAX_CANDIDATES, MAX_OFFER_BYTES, OfferError, check, prepared, tuned

LINES = [
    *("v=0", "o=- 4611731400430051336 2 IN IP4 127.0.0.1", "s=-", "t=0 0", "a=group:BUNDLE 0 1"),
    *("m=audio 9 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 0.0.0.0", "a=rtcp:9 IN IP4 0.0.0.0"),
    *("a=ice-ufrag:MJVo", "a=ice-pwd:aNTzmR1cPHVIgbJDFxLp5Lrp", "a=fingerprint:sha-256 DF:2E", "a=setup:actpass"),
    *("a=mid:0", "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level", "a=sendrecv", "a=rtcp-mux"),
    *("a=rtpmap:111 opus/48000/2", "a=fmtp:111 minptime=10;useinbandfec=1"),
    *("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "a=mid:1", "a=sctp-port:5000"),
]


def sdp(*more: str, without: str | None = None) -> str:
    lines = [line for line in LINES if without is None or not line.startswith(without)]
    return "\r\n".join([*lines, *more]) + "\r\n"


def test_a_good_offer_passes_as_it_is() -> None:
    assert check(sdp()) == sdp()


@pytest.mark.parametrize(
    ("missing", "complaint"),
    [
        ("m=audio", "has no audio (m=audio)"),
        ("a=rtpmap", "has no Opus"),
        ("a=group", "does not bundle its media"),
        ("a=mid:1", "does not bundle its media"),
        ("a=ice-ufrag", "names no ICE user"),
        ("a=ice-pwd", "has no ICE password"),
        ("a=setup", "does not say who begins"),
        ("a=fingerprint", "has no fingerprint"),
    ],
)
def test_what_is_missing_is_named(missing: str, complaint: str) -> None:
    with pytest.raises(OfferError, match="the offer ") as refused:
        check(sdp(without=missing))
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("offer", "complaint"),
    [
        (None, "is a NoneType"),
        (b"v=0", "is a bytes"),
        ("", "is not SDP"),
        ('{"type": "offer", "sdp": "v=0"}', "give pc.localDescription.sdp alone"),
        ("v=0" + "x" * MAX_OFFER_BYTES, f"more than {MAX_OFFER_BYTES} bytes"),
        ("v=0" + "é" * (MAX_OFFER_BYTES // 2), f"more than {MAX_OFFER_BYTES} bytes"),
        (sdp(*["m=video 9 UDP/TLS/RTP/SAVPF 96"] * 8), "has 10 media"),
        (sdp("m=text 9 UDP/TLS/RTP/SAVPF 96"), "has other media"),
        (sdp("m=application 9 UDP/DTLS/SCTP webrtc-datachannel"), "has other media"),
        (sdp(without="a=fingerprint") + "a=fingerprint:md5 00:11\r\n", "has no fingerprint"),
        ("v=0\nm=\nm=   \n", "has no audio"),
    ],
)
def test_what_is_no_offer_is_refused(offer: object, complaint: str) -> None:
    with pytest.raises(OfferError) as refused:
        check(offer)
    assert complaint in str(refused.value)
    assert len(str(refused.value)) < 200


def candidate(address: str, transport: str = "udp") -> str:
    return f"a=candidate:1 1 {transport} 2122260223 {address} 54321 typ host"


def with_candidates(*candidates: str) -> str:
    """For the first medium; the second, which it carries, has one of its own."""
    return sdp().replace("m=application", "\r\n".join([*candidates, "m=application"])) + candidate("10.0.0.99") + "\r\n"


def test_addresses_that_only_a_multicast_finds_are_left_out_and_no_end_is_set() -> None:
    private = candidate("3f1c9ab2-1c1a-4f1e-9a57-6f3d1f3c0f55.local")
    good, slow = candidate("10.0.0.7"), candidate("10.0.0.7", "tcp")
    far = good.replace("54321", "154321")
    kept = prepared(with_candidates(private, good, slow, far, "a=end-of-candidates", "a=candidate:junk")).splitlines()
    assert [line for line in kept if "candidate" in line] == [good, good], "of the first, in both"


def test_addresses_are_bounded() -> None:
    given = with_candidates(*(candidate(f"10.0.0.{number}") for number in range(200)))
    assert prepared(given).count("a=candidate:") == 2 * MAX_CANDIDATES


def test_header_extensions_of_sound_are_left_out_those_of_video_are_not() -> None:
    given = sdp("m=video 9 UDP/TLS/RTP/SAVPF 96", "a=extmap:3 urn:3gpp:video-orientation")
    assert [line for line in prepared(given).splitlines() if "extmap" in line] == [
        "a=extmap:3 urn:3gpp:video-orientation"
    ]


def test_the_answer_asks_for_what_an_agent_hears() -> None:
    lines = tuned("v=0\r\na=rtpmap:111 opus/48000/2\r\na=mid:0\r\n").splitlines()
    assert lines[2] == "a=fmtp:111 maxplaybackrate=16000;stereo=0;useinbandfec=0;usedtx=1"
    assert lines[3] == "a=mid:0"
