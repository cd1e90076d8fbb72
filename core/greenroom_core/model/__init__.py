"""The resource model: AgentSession, AgentRuntime and the parts of a Pod that matter here.

Pure values: no I/O, no clock. The CRDs in `crds/` are rendered from these types, so a field's bounds and meaning
stand here and nowhere else.
"""
