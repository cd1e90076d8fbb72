"""What every Greenroom program shares: the resource model and the one door to the API server.

It knows no program: operator, API, runtime and local control plane import it, never the other way round.
"""
