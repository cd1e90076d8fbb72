"""The programs that a control plane and the tests need. The standard library only: it runs before set-up."""

from __future__ import annotations

from greenroom_local.binaries.actionlint import find_actionlint
from greenroom_local.binaries.chromium import find_chromium
from greenroom_local.binaries.cluster import ClusterPrograms, find_cluster_programs, find_kind
from greenroom_local.binaries.controllers import find_controller_manager
from greenroom_local.binaries.found import Binaries, Unusable
from greenroom_local.binaries.helm import find_helm
from greenroom_local.binaries.redis import find_installed_redis, find_redis
from greenroom_local.binaries.search import NotFound, find_binaries, find_installed

__all__ = [
    "Binaries",
    "ClusterPrograms",
    "NotFound",
    "Unusable",
    "find_actionlint",
    "find_binaries",
    "find_chromium",
    "find_cluster_programs",
    "find_controller_manager",
    "find_helm",
    "find_installed",
    "find_installed_redis",
    "find_kind",
    "find_redis",
]
