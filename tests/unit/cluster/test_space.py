"""What is done to the node's mounts and network, before it is done."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

from tests.e2e.cluster.node import cable, layout, mounts
from tests.e2e.cluster.node.addresses import Addresses
from tests.e2e.cluster.node.layout import Layout

HERE = Layout(Path("/checkout/.greenroom/e2e"))
MOUNTS = [words for words in mounts.commands(HERE) if words[0] == "mount"]
CABLE = cable.commands("gr1", Addresses(IPv4Network("10.80.0.0/16")), 4711)


def test_whatever_is_bound_is_of_this_checkout_or_of_the_nodes_own_run() -> None:
    sources = [words[2] for words in MOUNTS if words[1] == "--bind"]
    assert sources
    assert all(source.startswith(("/checkout/.greenroom/e2e/", "/run/greenroom/")) for source in sources)


def test_the_nodes_own_run_is_there_before_anything_is_put_into_it() -> None:
    at = [words[-1] for words in MOUNTS].index("/run")
    assert not any(words[-1].startswith("/run") for words in MOUNTS[:at])
    assert {layout.CONTAINERD_ROOT, layout.KUBELET_ROOT, layout.CNI_CONFIG} <= {words[-1] for words in MOUNTS[at:]}


def test_what_is_written_below_var_lib_stays_in_the_node() -> None:
    (overlay,) = (words for words in MOUNTS if words[-1] == "/var/lib")
    assert "upperdir=/run/greenroom/" in overlay[-2]


def test_what_the_kubelet_would_set_for_the_whole_machine_is_a_file_of_the_node() -> None:
    over = {words[-1]: words[2] for words in MOUNTS if words[-1].startswith("/proc/sys/")}
    assert set(over) == {f"/proc/sys/{name}" for name in mounts.TUNABLES}
    written = " ".join(words[-1] for words in mounts.commands(HERE) if words[0] == "sh")
    assert all(f"> {file}" in written for file in over.values())


def test_the_cable_is_laid_before_addresses_and_routes() -> None:
    plain = [" ".join(words) for words in CABLE if words[0] == "ip"]
    assert plain == [
        "ip link add gr1 type veth peer name eth0 netns 4711",
        "ip address add 10.80.0.1/24 dev gr1",
        "ip link set gr1 up",
        "ip route add 10.80.1.0/24 via 10.80.0.2",
        "ip route add 10.80.2.0/24 via 10.80.0.2",
    ]


def test_only_in_the_nodes_network_does_anything_pass_on_what_is_not_its_own() -> None:
    (forwarding,) = (words for words in CABLE if "ip_forward" in words[-1])
    assert forwarding[:4] == ("nsenter", "--target=4711", "--net", "--")
