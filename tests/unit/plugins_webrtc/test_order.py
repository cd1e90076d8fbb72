"""Packets come in any order, twice and not at all; what is played is in order, and nothing waits for long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from greenroom.plugins.local.webrtc.order import PATIENCE, Order


def played(numbers: list[int]) -> list[int | None]:
    order = Order()
    out: list[int | None] = []
    for number in numbers:
        out += [None if one is None else int(one) for one in order.put(number, str(number).encode())]
    return out


def test_what_comes_in_order_is_played_at_once() -> None:
    order = Order()
    assert [order.put(number, b"x") for number in (7, 8, 9)] == [[b"x"]] * 3


def test_a_swap_is_put_right() -> None:
    assert played([1, 3, 2, 4]) == [1, 2, 3, 4]


def test_a_loss_is_given_up_after_a_few_packets_and_what_comes_later_is_dropped() -> None:
    assert played([1, 3, 4]) == [1]
    assert played([1, 3, 4, 5]) == [1, None, 3, 4, 5]
    assert played([1, 3, 4, 5, 2, 6]) == [1, None, 3, 4, 5, 6]


def test_a_packet_is_played_once() -> None:
    assert played([1, 2, 2, 1, 3, 3]) == [1, 2, 3]


def test_numbers_begin_again_after_65535() -> None:
    assert played([65534, 65535, 0, 1]) == [65534, 65535, 0, 1]
    assert played([65534, 0, 65535, 1]) == [65534, 65535, 0, 1]


def test_a_far_jump_is_another_stream() -> None:
    assert played([1, 2, 30_000, 30_001, 3]) == [1, 2, 30_000, 30_001, 3]


@given(st.lists(st.integers(0, PATIENCE - 1), min_size=1, max_size=60), st.integers(0, 65_535))
def test_what_is_late_by_less_than_the_patience_is_neither_lost_nor_out_of_order(
    lateness: list[int], first: int
) -> None:
    numbers = range(len(lateness))
    arriving = [0, *sorted(numbers[1:], key=lambda number: number + lateness[number])]
    got = played([(first + number) % 65_536 for number in arriving])
    assert got == [(first + number) % 65_536 for number in numbers][: len(got)]
    assert len(got) > len(lateness) - PATIENCE


@given(st.lists(st.integers(0, 90), max_size=200))
def test_whatever_comes_is_played_in_order_and_little_is_held(numbers: list[int]) -> None:
    got = [number for number in played(numbers) if number is not None]
    assert got == sorted(set(got))
