"""The session backend over AgentSession objects of one namespace.

It creates, reads, annotates and deletes objects; it never binds, never writes status, never calls a pod.
"""

from greenroom_api.cluster.backend import ClusterBackend

__all__ = ["ClusterBackend"]
