"""The REST API: the endpoints that clients know, over a :class:`~greenroom_api.backend.SessionBackend`.

Routes translate HTTP; the backend decides. `cluster` is the backend over AgentSession objects. Nothing here knows
the operator or the pods: the API server's objects are all that they share.
"""
