import grpc
from greenroom import AgentLauncher

class AgentService(agent_pb2_grpc.AgentServiceServicer):
    def __init__(self, launcher: AgentLauncher):
        self.launcher = launcher

    async def StartSession(self, request, context):
        session = await self.launcher.start_session(
            call_id=request.call_id,
            call_type=request.call_type,
        )
        return agent_pb2.StartSessionResponse(session_id=session.id)

    async def CloseSession(self, request, context):
        await self.launcher.request_close_session(
            call_id=request.call_id,
            session_id=request.session_id,
        )
        return agent_pb2.CloseSessionResponse()

# Start the launcher, then serve
launcher = AgentLauncher(create_agent=create_agent, join_call=join_call)
await launcher.start()

server = grpc.aio.server()
agent_pb2_grpc.add_AgentServiceServicer_to_server(AgentService(launcher), server)
server.add_insecure_port("[::]:50051")
await server.start()
await server.wait_for_termination()
