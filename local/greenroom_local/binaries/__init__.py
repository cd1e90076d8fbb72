"""etcd, kube-apiserver, kubectl and, on request, helm. The standard library only: it runs before any set-up."""

from __future__ import annotations

from greenroom_local.binaries.found import Binaries, Unusable
from greenroom_local.binaries.helm import find_helm
from greenroom_local.binaries.search import NotFound, find_binaries, find_installed

__all__ = ["Binaries", "NotFound", "Unusable", "find_binaries", "find_helm", "find_installed"]
