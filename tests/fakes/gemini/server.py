"""`POST /{version}/models/{model}:streamGenerateContent?alt=sse`, as strict about conversations as the real one."""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from tests.fakes.gemini.colours import colour_of, picture_of
from tests.fakes.vendor_server import Fault, VendorServer, faulty

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Part = dict[str, Any]
Block = dict[str, Any]
RUBBISH = b"data: {this is no json}\r\n\r\n"
SIGNATURE = "c2lnbmF0dXJl"


@dataclass
class FakeGemini(VendorServer):
    """Gives `answers`, each a list of the blocks that are sent, and where they are used up makes its own: asks for
    the first function whose last word is in the question, reads its result out, names the colours of the pictures it
    is shown, or repeats what was said."""

    answers: deque[list[Block]] = field(default_factory=deque)
    asked: list[dict[str, Any]] = field(default_factory=list)

    def routes(self) -> list[web.RouteDef]:
        return [web.post("/{version}/models/{model}", self._generate), web.head("/", _nothing)]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        fault = self.next_fault()
        self.requests.append(request.path_qs)
        if request.headers.get("x-goog-api-key") != self.key:
            self.refused += 1
            return _refusal(400, "INVALID_ARGUMENT", "API key not valid.", [{"reason": "API_KEY_INVALID"}])
        if fault.status is not None:
            return _refusal(fault.status, "BUSY", "Try again later", [{"retryDelay": fault.retry_after or "0s"}])
        if not request.match_info["model"].endswith(":streamGenerateContent") or request.query.get("alt") != "sse":
            return _refusal(404, "NOT_FOUND", "No such method")
        body = await request.json()
        self.asked.append(body)
        if wrong := complaint(body, request.match_info["model"]):
            return _refusal(400, "INVALID_ARGUMENT", wrong)
        return await self._answer(request, body, fault)

    async def _answer(self, request: web.Request, body: dict[str, Any], fault: Fault) -> web.StreamResponse:
        blocks = self.answers.popleft() if self.answers else own_answer(body)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        self.in_work += 1
        try:
            await response.prepare(request)
            async for piece in faulty(_events(blocks), fault, request, RUBBISH):
                await response.write(piece)
            await response.write_eof()
        finally:
            self.in_work -= 1
        return response


def said(*texts: str, end: str = "STOP") -> list[Block]:
    """The blocks of an answer in words."""
    blocks = [block({"text": text}) for text in texts]
    blocks[-1]["candidates"][0]["finishReason"] = end
    return blocks


def called(name: str, arguments: dict[str, Any], **more: Any) -> list[Block]:
    """The blocks of an answer that asks for a function, as a model that thinks sends them."""
    call = block({"functionCall": {"name": name, "args": arguments, **more}, "thoughtSignature": SIGNATURE})
    return [call, *said("")]


def block(*parts: Part) -> Block:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "index": 0}]}


def own_answer(body: dict[str, Any]) -> list[Block]:
    parts = body["contents"][-1]["parts"]
    results = [part["functionResponse"]["response"]["result"] for part in parts if "functionResponse" in part]
    if results:
        return said(*_words(" ".join(results)))
    question = " ".join(part.get("text", "") for part in parts)
    if seen := [colour_of(part["inlineData"]) for part in parts if "inlineData" in part]:
        return said(*_words(f"I see {' and '.join(seen)}."))
    for tool in (tool for tools in body.get("tools", []) for tool in tools["functionDeclarations"]):
        if tool["name"].rsplit("_", 1)[-1] in question.lower():
            names = tool.get("parameters_json_schema", {}).get("required", [])
            subject = re.search(r"\b(?:in|for) (?:the )?([\w ]+?)[?.!]*$", question)
            return called(tool["name"], {name: subject[1].title() for name in names if subject})
    return said(*_words(f"You said: {question}"))


def complaint(body: dict[str, Any], model: str = "gemini-2.5-flash-lite") -> str | None:
    """What the real one would find wrong with a conversation; what it wants signed in the latest turn, this one wants
    signed in all."""
    contents = body.get("contents") or []
    if not contents:
        return "contents is not specified"
    before: list[Part] = []
    for content in contents:
        asked = [part["functionCall"]["name"] for part in before if "functionCall" in part]
        given = [part["functionResponse"]["name"] for part in content["parts"] if "functionResponse" in part]
        if asked != given:
            return f"function responses {given} do not match the calls before them {asked}"
        calls = [part for part in content["parts"] if "functionCall" in part]
        if model.startswith("gemini-3") and any("thoughtSignature" not in part for part in calls[:1]):
            return "Function call is missing a thought_signature in functionCall parts."
        for data in (part["inlineData"] for part in content["parts"] if "inlineData" in part):
            try:
                picture_of(data)
            except ValueError as error:
                return str(error)
        before = content["parts"]
    return None


async def _events(blocks: list[Block]) -> AsyncIterator[bytes]:
    for number, content in enumerate(blocks, 1):
        usage = {"promptTokenCount": 20, "candidatesTokenCount": number, "totalTokenCount": 20 + number}
        yield b"data: " + json.dumps({"usageMetadata": usage} | content).encode() + b"\r\n\r\n"


def _words(text: str) -> list[str]:
    return re.findall(r"\S+\s*", text) or [""]


async def _nothing(_: web.Request) -> web.Response:
    return web.Response(status=404)


def _refusal(code: int, status: str, message: str, details: list[dict[str, str]] | None = None) -> web.Response:
    error = {"code": code, "message": message, "status": status, "details": details or []}
    return web.json_response({"error": error}, status=code)
