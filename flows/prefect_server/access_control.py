"""Access control of the embedded Prefect server: it answers only processes of this user, and its own pages.

The server has no password, and a browser sends it requests on behalf of any page. This module therefore closes
connections of other users of the machine, and rejects a request whose Host is not the server itself (DNS rebinding) or
whose Origin is a page of another server.
"""

import asyncio
import os
import socket
import struct
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from pathlib import Path
from typing import Any, cast

from uvicorn.protocols.http.auto import AutoHTTPProtocol

Scope = MutableMapping[str, Any]
Application = Callable[[Scope, Callable[..., Awaitable[Any]], Callable[..., Awaitable[Any]]], Awaitable[None]]
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
CONNECTIONS = Path("/proc/net/tcp")
LISTENING, ESTABLISHED = "0A", "01"


def origins(port: int) -> list[str]:
    """Return the origins of the server's own pages."""
    return [f"http://127.0.0.1:{port}", f"http://localhost:{port}"]


# See docs/decisions/0053-requests-that-the-embedded-server-accepts.md.
class OwnOrigin:
    """An ASGI application that forwards only requests to this server by programs and by its own pages.

    Args:
        application: the application that answers the forwarded requests.
        port: the server's port.
    """

    def __init__(self, application: Application, port: int) -> None:
        self.application = application
        self.origins = origins(port)
        self.hosts = [origin.removeprefix("http://") for origin in self.origins]

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Forward a request, or reject it with status 403 (a WebSocket: with code 1008)."""
        why = self.refusal(scope) if scope["type"] in ("http", "websocket") else None
        if why is None:
            await self.application(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": why})
        else:
            headers = [(b"content-type", b"text/plain"), (b"connection", b"close")]
            await send({"type": "http.response.start", "status": 403, "headers": headers})
            await send({"type": "http.response.body", "body": f"Refused: {why}.\n".encode()})

    def refusal(self, scope: Scope) -> str | None:
        """Return the reason for rejecting a request; None if it is forwarded."""
        hosts, from_ = _values(scope["headers"], b"host"), _values(scope["headers"], b"origin")
        if len(hosts) != 1 or hosts[0].lower() not in self.hosts:  # guard: foreign-host
            return f"this server accepts requests to {self.hosts[0]} only"
        if any(origin not in self.origins for origin in from_):  # guard: foreign-origin
            return "a page of another server may not send requests to this one"
        site = _values(scope["headers"], b"sec-fetch-site")
        reads = scope["type"] == "http" and scope["method"] in SAFE_METHODS
        if not from_ and not reads and any(value in ("cross-site", "same-site") for value in site):
            return "a page of another server may not send requests to this one"
        return None


class OwnUser(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """The protocol of a connection; it aborts the connection if another user of the machine opened it."""

    refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Check the user of the connection, and accept or abort it."""
        client, server = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self.refused = bool(client and server) and not is_own(client, server)
        if self.refused:
            transport.abort()
        else:
            super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Close an accepted connection."""
        if not self.refused:
            super().connection_lost(error)


def is_own(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Return whether this user or root opened a connection on the loopback interface.

    If the system does not list its connections, the check is impossible and the answer is True.

    Args:
        client: the address and port of the client.
        server: the address and port of the server.
    """
    try:
        lines = [line.split() for line in CONNECTIONS.read_text().splitlines()[1:]]
    except OSError:
        return True
    is_listed = False
    server_address, client_address = _in_hex(server), _in_hex(client)
    for _, local, remote, state, _, _, _, user, *_ in lines:
        is_listed = is_listed or (local == server_address and state == LISTENING)
        if (local, remote) == (client_address, server_address):
            # guard: foreign-user
            return state == ESTABLISHED and int(user) in (0, os.geteuid())  # a closing connection is listed as root's
    return not is_listed


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1").strip() for key, value in headers if key.lower() == name]


def _in_hex(address: tuple[str, int]) -> str:
    return f"{cast(int, struct.unpack('=I', socket.inet_aton(address[0]))[0]):08X}:{address[1]:04X}"
