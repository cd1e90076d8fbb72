"""Which websites may ask the server: CORS settings.

    python examples/cors.py serve

The agent is that of voice_agent.py, which needs no key.
"""

from voice_agent import create_agent, join_call

from greenroom import AgentLauncher, Runner, ServeOptions

runner = Runner(
    AgentLauncher(create_agent=create_agent, join_call=join_call),
    serve_options=ServeOptions(
        cors_allow_origins=["https://myapp.com"],
        cors_allow_methods=["GET", "POST", "DELETE"],
        cors_allow_headers=["Authorization", "Content-Type"],
        cors_allow_credentials=True,
    ),
)

if __name__ == "__main__":
    runner.cli()
