"""A Node whose pods are processes of this machine: the part of a kubelet that runtime pods need, and a scheduler.

Of a pod it takes the first container's command, its environment, its HTTP probes, its service account and its grace
period. Images, volumes, init containers, startup probes, resources and further containers mean nothing here.
"""

from __future__ import annotations

from greenroom_local.node.node import ProcessNode

__all__ = ["ProcessNode"]
