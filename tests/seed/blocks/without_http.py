from greenroom import AgentLauncher

launcher = AgentLauncher(
    create_agent=create_agent,
    join_call=join_call,
    max_concurrent_sessions=10,
)

# Start the launcher (warmup + maintenance loop)
await launcher.start()

# Start a session — returns an AgentSession
session = await launcher.start_session(call_id="my-call-123", call_type="default")

# Query a session from the registry (works across nodes)
info = await launcher.get_session_info("my-call-123", session.id)

# Request session closure (works across nodes)
await launcher.request_close_session("my-call-123", session.id)

# Close a session running on this node
await launcher.close_session(session.id)

# Stop the launcher (closes all sessions + registry)
await launcher.stop()
