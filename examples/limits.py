"""Limits: how many sessions, for how long, and what becomes of an agent that is alone.

    python examples/limits.py serve

The agent is that of voice_agent.py, which needs no key.
"""

from voice_agent import create_agent, join_call

from greenroom import AgentLauncher, Runner, ServeOptions

runner = Runner(
    AgentLauncher(
        create_agent=create_agent,
        join_call=join_call,
        max_concurrent_sessions=2,  # on all nodes of one registry; here on this one
        max_sessions_per_call=1,  # one agent per call
        max_session_duration_seconds=3600,  # one hour at most, whatever happens
        agent_idle_timeout=120.0,  # leave after two minutes alone
    ),
    # A load balancer that asks /ready sends new calls elsewhere while this one is full.
    serve_options=ServeOptions(ready_when_full=False),
)

if __name__ == "__main__":
    runner.cli()
