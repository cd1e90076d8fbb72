"""Which addresses a node takes beside what the machine has already."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from tests.e2e.cluster import ClusterUnavailable
from tests.e2e.cluster.node.addresses import Addresses, choose, routed

TABLE = """\
default via 192.0.2.1 dev eth0
10.73.5.0/24 dev vpn0 proto kernel scope link src 10.73.5.9
unreachable 10.74.0.0/15 metric 4278198272
local 192.0.2.2 dev eth0 table local proto kernel scope host src 192.0.2.2
broadcast 192.0.2.255 dev eth0 table local proto kernel scope link src 192.0.2.2
"""


def test_destinations_are_read_whatever_the_type_of_the_route() -> None:
    assert [str(network) for network in routed(TABLE)] == [
        "10.73.5.0/24",
        "10.74.0.0/15",
        "192.0.2.2/32",
        "192.0.2.255/32",
    ]


def test_what_is_routed_in_part_or_as_part_of_something_is_passed_over() -> None:
    assert choose(routed(TABLE)).whole == IPv4Network("10.76.0.0/16")


def test_a_route_to_everywhere_takes_nothing() -> None:
    assert choose([IPv4Network("0.0.0.0/0")]).whole == IPv4Network("10.73.0.0/16")


def test_where_all_of_it_is_taken_the_way_out_is_told() -> None:
    with pytest.raises(ClusterUnavailable, match="--kubeconfig"):
        choose([IPv4Network("10.0.0.0/8")])


def test_the_parts_lie_apart_in_the_whole() -> None:
    addresses = Addresses(IPv4Network("10.80.0.0/16"))
    parts = (addresses.link, addresses.pods, addresses.services)
    assert all(part.subnet_of(addresses.whole) for part in parts)
    assert not any(a.overlaps(b) for a in parts for b in parts if a is not b)
    assert {addresses.machine, addresses.node} <= set(addresses.link.hosts())
    assert addresses.dns == IPv4Address("10.80.2.10")
