"""Which addresses the node takes: a /16 that nothing on this machine uses, cut into three."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from tests.e2e.cluster.model import ClusterUnavailable

# Away from the first ones, which people choose by hand and tools choose first.
_CANDIDATES = tuple(IPv4Network(f"10.{number}.0.0/16") for number in (*range(73, 250), *range(1, 73)))


@dataclass(frozen=True, slots=True)
class Addresses:
    """The cable between this machine and the node, and the ranges of pods and services behind it."""

    whole: IPv4Network

    @property
    def machine(self) -> IPv4Address:
        """This machine's end of the cable, where the API server listens."""
        return self.whole[1]

    @property
    def node(self) -> IPv4Address:
        return self.whole[2]

    @property
    def link(self) -> IPv4Network:
        return IPv4Network(f"{self.whole[0]}/24")

    @property
    def pods(self) -> IPv4Network:
        return IPv4Network(f"{self.whole[256]}/24")

    @property
    def services(self) -> IPv4Network:
        return IPv4Network(f"{self.whole[512]}/24")

    @property
    def dns(self) -> IPv4Address:
        """The service address of the cluster's DNS."""
        return self.services[10]


def choose(taken: Iterable[IPv4Network]) -> Addresses:
    """The first candidate that touches nothing of what is `taken`. Raises ClusterUnavailable."""
    used = [network for network in taken if network.prefixlen > 0]
    for candidate in _CANDIDATES:
        if not any(candidate.overlaps(network) for network in used):
            return Addresses(candidate)
    raise ClusterUnavailable("every network in 10.0.0.0/8 is routed on this machine: give a cluster by --kubeconfig")


def routed(route_table: str) -> list[IPv4Network]:
    """The destinations in what ``ip -4 route show table all`` prints."""
    found = []
    for line in route_table.splitlines():
        words = [word for word in line.split() if word not in _ROUTE_TYPES]
        try:
            found.append(ipaddress.IPv4Network(words[0], strict=False))
        except (IndexError, ValueError):
            continue  # the default route: it is what all others are exceptions from
    return found


_ROUTE_TYPES = ("unicast", "local", "broadcast", "multicast", "throw", "unreachable", "prohibit", "blackhole", "nat")
