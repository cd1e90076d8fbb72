"""The key, the secret and the tokens that are signed with it."""

from __future__ import annotations

from dataclasses import dataclass

import jwt


class Refused(Exception):
    """Stream's answer to credentials that are not good; `code` is Stream's own."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an application of Stream is known by."""

    api_key: str = "fake-key"
    api_secret: str = "fake-secret-of-at-least-32-letters"

    def check(self, api_key: str | None, token: str | None) -> str | None:
        """The user that `token` is for, if it is for one."""
        if api_key != self.api_key:
            raise Refused(2, "api_key not found")
        try:
            claims = jwt.decode(token or "", self.api_secret, algorithms=["HS256"], options={"verify_iat": False})
        except jwt.ExpiredSignatureError:
            raise Refused(40, "JWTAuth error: token is expired") from None
        except jwt.InvalidTokenError:
            raise Refused(5, "JWTAuth error: signature is not valid") from None
        return claims.get("user_id")
