"""A FastAPI application of one's own, put together from the parts that the Runner's own is made of.

    python examples/custom_app.py serve
    curl -X POST http://127.0.0.1:8000/agents/calls/my-call-123/sessions

The Runner uses it as it is: what is not included here is not there. The agent is that of voice_agent.py, which needs
no key.
"""

from fastapi import FastAPI
from voice_agent import create_agent, join_call

from greenroom import AgentLauncher, Runner, ServeOptions
from greenroom.serve import lifespan, router

app = FastAPI(
    title="My Agent Server",
    description="Custom agent server with additional features",
    version="1.0.0",
    lifespan=lifespan,  # starts and stops the launcher
)
app.include_router(router, prefix="/agents")


@app.get("/custom")
def custom_endpoint():
    return {"message": "Custom endpoint"}


runner = Runner(
    AgentLauncher(create_agent=create_agent, join_call=join_call),
    serve_options=ServeOptions(fast_api=app),
)

if __name__ == "__main__":
    runner.cli()
