"""What a node is made of: Debian packages, programs built from Go modules, images. Nothing is started here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.e2e.cluster.model import ClusterUnavailable
from tests.e2e.cluster.node import machine
from tests.e2e.cluster.node.archives import Archives, find_archives

from greenroom_local.binaries import ClusterPrograms, NotFound, find_cluster_programs

if TYPE_CHECKING:
    from tests.e2e.cluster.model import Say


@dataclass(frozen=True, slots=True)
class Parts:
    """All of it is on this machine."""

    programs: ClusterPrograms
    archives: Archives


def prepare(say: Say) -> Parts:
    """Get what is missing, which takes some minutes the first time. Raises ClusterUnavailable."""
    machine.check()
    machine.install_packages(say)
    try:
        programs = find_cluster_programs()
        return Parts(programs, find_archives(programs))
    except (NotFound, OSError) as problem:
        raise ClusterUnavailable(str(problem)) from None
