"""A TURN server on the loopback: UDP, one name and one credential (RFC 8656 as far as aioice and Chromium use it)."""

from __future__ import annotations

import asyncio
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from aioice import stun
from aioice.turn import make_integrity_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

REALM = "turn.test"
NONCE = b"once"
USERNAME = "greenroom"
CREDENTIAL = "relay-s3cret"

Address = tuple[str, int]


class Relay(asyncio.DatagramProtocol):
    """The relayed address of one client."""

    def __init__(self, server: TurnServer, client: Address) -> None:
        self._server = server
        self._client = client
        self.channels: dict[int, Address] = {}
        self.permitted: set[str] = set()
        self.transport: asyncio.DatagramTransport

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        channel = next((number for number, peer in self.channels.items() if peer == addr), None)
        if channel is not None:
            self._pass_on(struct.pack("!HH", channel, len(data)) + data)
        elif addr[0] in self.permitted:
            said = {"XOR-PEER-ADDRESS": addr, "DATA": data}
            self._pass_on(bytes(stun.Message(stun.Method.DATA, stun.Class.INDICATION, None, said)))

    def _pass_on(self, packet: bytes) -> None:
        self._server.relayed += 1
        self._server.transport.sendto(packet, self._client)


class TurnServer(asyncio.DatagramProtocol):
    """`relays` are the allocations that are there now, `relayed` counts packets from browsers."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._key = make_integrity_key(USERNAME, REALM, CREDENTIAL)
        self._tasks: set[asyncio.Task[None]] = set()
        self.relays: dict[Address, Relay] = {}
        self.relayed = 0
        self.deaf = False
        self.transport: asyncio.DatagramTransport

    @property
    def url(self) -> str:
        host, port = self.transport.get_extra_info("sockname")
        return f"turn:{host}:{port}"

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        if self.deaf:
            return
        if data[0] & 0xC0 == 0x40:
            self._forward(data, addr)
            return
        message = stun.parse_message(data)
        if message.message_class is stun.Class.INDICATION:
            self._send_on(message, addr)
            return
        task = asyncio.ensure_future(self._answer(message, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        for relay in self.relays.values():
            relay.transport.close()
        self.transport.close()

    # --- inside ---

    def _forward(self, data: bytes, client: Address) -> None:
        channel, length = struct.unpack("!HH", data[:4])
        relay = self.relays.get(client)
        if relay is not None and channel in relay.channels:
            relay.transport.sendto(data[4 : 4 + length], relay.channels[channel])

    def _send_on(self, indication: stun.Message, client: Address) -> None:
        relay = self.relays.get(client)
        if relay is not None and indication.message_method is stun.Method.SEND:
            peer = indication.attributes["XOR-PEER-ADDRESS"]
            if peer[0] in relay.permitted:
                relay.transport.sendto(indication.attributes["DATA"], peer)

    async def _answer(self, request: stun.Message, client: Address) -> None:
        if not request.check_message_integrity(self._key):
            self._send(request, client, stun.Class.ERROR, {"ERROR-CODE": (401, "Unauthorized")}, signed=False)
            return
        attributes: dict[str, Any] = {}
        match request.message_method:
            case stun.Method.ALLOCATE:
                attributes = await self._allocate(client)
            case stun.Method.CHANNEL_BIND:
                relay = self.relays[client]
                relay.channels[request.attributes["CHANNEL-NUMBER"]] = request.attributes["XOR-PEER-ADDRESS"]
            case stun.Method.CREATE_PERMISSION:
                self.relays[client].permitted.add(request.attributes["XOR-PEER-ADDRESS"][0])
            case stun.Method.REFRESH:
                attributes = {"LIFETIME": request.attributes["LIFETIME"]}
                if not attributes["LIFETIME"]:
                    self.relays.pop(client).transport.close()
        self._send(request, client, stun.Class.RESPONSE, attributes)

    async def _allocate(self, client: Address) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        transport, relay = await loop.create_datagram_endpoint(
            lambda: Relay(self, client), local_addr=(self._address, 0)
        )
        self.relays[client] = relay
        return {
            "LIFETIME": 600,
            "XOR-MAPPED-ADDRESS": client,
            "XOR-RELAYED-ADDRESS": transport.get_extra_info("sockname"),
        }

    def _send(
        self,
        request: stun.Message,
        client: Address,
        message_class: stun.Class,
        attributes: dict[str, Any],
        *,
        signed: bool = True,
    ) -> None:
        message = stun.Message(request.message_method, message_class, request.transaction_id, dict(attributes))
        if signed:
            message.add_message_integrity(self._key)
        else:
            message.attributes |= {"REALM": REALM, "NONCE": NONCE}
        self.transport.sendto(bytes(message), client)


@asynccontextmanager
async def turn_server(address: str) -> AsyncIterator[TurnServer]:
    """Relays by sockets of `address`, which browsers must reach."""
    server = TurnServer(address)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
    try:
        yield server
    finally:
        server.close()
