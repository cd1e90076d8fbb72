"""The server side, ours and the package `vision_agents`: the same agent, the same client, the same minutes."""
