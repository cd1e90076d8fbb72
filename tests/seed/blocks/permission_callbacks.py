from fastapi import Header, HTTPException


async def can_start_session(
    call_id: str,
    authorization: str = Header(None),
) -> bool:
    """Check if the request is authorized to start a session."""
    if not authorization:
        raise HTTPException(status_code=401, detail="Authorization required")
    user = await validate_token(authorization)
    if not user.has_permission("start_session"):
        raise HTTPException(status_code=403, detail="Permission denied")
    return True


async def can_close_session(
    call_id: str,
    authorization: str = Header(None),
) -> bool:
    """Check if the request is authorized to close a session."""
    if not authorization:
        raise HTTPException(status_code=401, detail="Authorization required")
    user = await validate_token(authorization)
    if not user.can_access_call(call_id):
        raise HTTPException(status_code=403, detail="Cannot close this session")
    return True


runner = Runner(
    AgentLauncher(create_agent=create_agent, join_call=join_call),
    serve_options=ServeOptions(
        can_start_session=can_start_session,
        can_close_session=can_close_session,
    ),
)
