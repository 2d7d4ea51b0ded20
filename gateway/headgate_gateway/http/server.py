"""One listening port and its connections: the sweep over their deadlines, and the way they end when it drains."""

import asyncio
import socket
import sys
from dataclasses import dataclass
from email.utils import formatdate
from typing import cast

from headgate_gateway.http.application import Application
from headgate_gateway.http.connection import Connection, Phase, patience_of
from headgate_gateway.http.surplus import Surplus, turn_away

BACKLOG = 4_096
LAST_ACCEPTS_SECONDS = 0.05


def _bind(host: str, port: int) -> socket.socket:
    """A listening socket; no host means all interfaces, IPv4 and IPv6, where the machine has both."""
    if host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
    return socket.create_server(("", port), backlog=BACKLOG)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """In seconds."""

    keep_alive: float = 65 * 60.0
    """Between requests. Outlives the edge's own idle time (Envoy: 60 minutes), so that the edge closes first."""
    head: float = 10.0
    body_stall: float = 15.0
    """Longest silence within a body."""
    body: float = 60.0
    """Longest time for a whole body, beside what its size takes at the slowest rate."""
    body_bytes_per_second: float = 2.0**20
    """Slowest average rate of a body beyond `body`: what it has reserved is missing to others for so long."""
    write: float = 30.0
    """Longest time that a client may leave its answers unread."""
    linger: float = 2.0
    sweep: float = 1.0
    """How often deadlines are looked at."""


class Server:
    """A port."""

    def __init__(
        self,
        application: Application,
        timeouts: Timeouts,
        loop: asyncio.AbstractEventLoop,
        max_connections: int = sys.maxsize,
    ) -> None:
        self.application = application
        self.timeouts = timeouts
        self.patience = patience_of(timeouts)
        self.loop = loop
        self.max_connections = max_connections
        self.connections: set[Connection] = set()
        self.surplus: set[Surplus] = set()
        """Those that are on their way out, because all of `connections` are taken."""
        self.connections_opened = 0
        self.connections_refused = 0
        self.date = _date()
        """For answers; as old as the last sweep."""
        self.draining = False
        """Answers carry `Connection: close`."""
        self._socket: socket.socket | None = None
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which the system chose when 0 was asked for. Raises OSError when it is taken."""
        self._socket = _bind(host, port)
        self._listener = await self.loop.create_server(
            lambda: cast("asyncio.Protocol", Connection(self)), sock=self._socket, backlog=BACKLOG
        )
        self._sweep()
        bound: int = self._socket.getsockname()[1]
        return bound

    def take(self, connection: Connection, transport: asyncio.BaseTransport) -> bool:
        """Whether there is room for a connection that was just made; else it is none of its protocol's any more."""
        if len(self.connections) >= self.max_connections:
            self.connections_refused += 1
            turn_away(self, transport)
            return False
        self.connections.add(connection)
        self.connections_opened += 1
        return True

    def _sweep(self) -> None:
        # First of all, so that nothing that a connection raises ends all deadlines.
        self._sweeper = self.loop.call_later(self.timeouts.sweep, self._sweep)
        self.date = _date()
        now = self.loop.time()
        for connection in [c for c in self.connections if c.deadline <= now]:
            connection.on_deadline()

    @property
    def busy(self) -> int:
        """Connections with a request begun and not answered."""
        return sum(c.phase is not Phase.IDLE for c in self.connections)

    async def stop_listening(self) -> None:
        """No further connections; those that are there go on.

        Closing a listener resets the connections that the kernel has taken and nobody has accepted: the queue is
        shortened first and emptied, and requests that have arrived get read before their connection counts as idle.
        """
        if self._socket is not None:
            self._socket.listen(0)
            await asyncio.sleep(LAST_ACCEPTS_SECONDS)
        self._close_listener()
        await asyncio.sleep(LAST_ACCEPTS_SECONDS)

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
        self._listener = self._socket = None

    async def finish(self, seconds: float) -> bool:
        """Wait until no request is open, closing connections as they fall idle. Whether that came in time."""
        end = self.loop.time() + seconds
        while True:
            for connection in [c for c in self.connections if c.phase is Phase.IDLE]:
                connection.close()
            if not self.connections:
                return True
            if self.loop.time() >= end:
                return False
            await asyncio.sleep(0.02)

    def abort(self) -> None:
        """Cut what is left, and stop sweeping."""
        self._close_listener()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self.connections):
            connection.abort()
        for surplus in list(self.surplus):
            surplus.abort()


def _date() -> bytes:
    return formatdate(usegmt=True).encode()
