"""The node's network: one cable to this machine, and the ways along it. It goes when the node's end of it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.cluster.node.addresses import Addresses


def commands(name: str, addresses: Addresses, node: int) -> tuple[tuple[str, ...], ...]:
    """In order, and on this machine; `name` is its end's, `node` a process in the node's namespaces."""
    inside = ("nsenter", f"--target={node}", "--net", "--")
    length = addresses.link.prefixlen
    return (
        (*inside, "ip", "link", "set", "lo", "up"),
        (*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"),
        ("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(node)),
        (*inside, "ip", "address", "add", f"{addresses.node}/{length}", "dev", "eth0"),
        (*inside, "ip", "link", "set", "eth0", "up"),
        ("ip", "address", "add", f"{addresses.machine}/{length}", "dev", name),
        ("ip", "link", "set", name, "up"),
        ("ip", "route", "add", str(addresses.pods), "via", str(addresses.node)),
        ("ip", "route", "add", str(addresses.services), "via", str(addresses.node)),
    )
