"""Several nodes behind a load balancer, with one Redis: any of them can look at, list and close every session.

    REDIS_URL=redis://127.0.0.1:6379/0 python examples/scaling.py serve --port 8001
    REDIS_URL=redis://127.0.0.1:6379/0 python examples/scaling.py serve --port 8002

The limits hold for all nodes together. The sessions of a node that dies are known dead within the registry's `ttl`. It
needs the extra redis. The agent is that of voice_agent.py, which needs no key.
"""

import os

from voice_agent import create_agent, join_call

from greenroom import AgentLauncher, RedisSessionKVStore, Runner, SessionRegistry

store = RedisSessionKVStore(url=os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))
launcher = AgentLauncher(
    create_agent=create_agent,
    join_call=join_call,
    max_concurrent_sessions=100,
    max_sessions_per_call=1,
    registry=SessionRegistry(store, ttl=30.0),
)

if __name__ == "__main__":
    Runner(launcher).cli()
