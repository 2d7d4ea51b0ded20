"""The links of one producer: one to each broker that leads something, none to any other. Starts and ends their tasks."""

import asyncio
from collections.abc import Callable, Collection, Mapping

from headgate_gateway.config.status import BrokerStatus
from headgate_gateway.kafka.connection import BrokerAddress
from headgate_gateway.kafka.link import LeaderLink
from headgate_gateway.kafka.supervise import supervise


class LinkSet:
    """Links by the number of their broker."""

    def __init__(self, profile: str, make: Callable[[BrokerAddress], LeaderLink]) -> None:
        self.by_node: dict[int, LeaderLink] = {}
        self._profile = profile
        self._make = make
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def adjust(self, wanted: Collection[int], brokers: Mapping[int, BrokerAddress]) -> None:
        """Metadata is fresh: link to these brokers, at their present addresses."""
        for node_id, link in list(self.by_node.items()):
            link.check_leadership()
            moved = node_id in brokers and brokers[node_id] != link.address
            # A busy one is looked at again with the next metadata: its request may still be answered.
            if not link.is_busy and (moved or node_id not in wanted):
                self._end(node_id)
        for node_id in wanted:
            if node_id in brokers and node_id not in self.by_node:
                self._begin(brokers[node_id])
        self.wake()

    def trouble(self, node_ids: Collection[int]) -> str:
        """Why records cannot be sent to one of these brokers now; empty: all are connected."""
        for node_id in node_ids:
            link = self.by_node.get(node_id)
            if link is None or not link.is_open:
                why = link.error if link is not None else None
                return why or f"not connected to broker {node_id} yet"
        return ""

    def fault(self, asking: str | None) -> str | None:
        """Why records can be sent to none of them; None: as far as is known they can.

        `asking`: why the cluster's metadata cannot be asked for, where that is so.
        """
        links = self.by_node.values()
        if any(link.is_open for link in links):
            return None
        if asking is not None:
            return asking
        errors = [link.error for link in links]
        # Bootstrap servers answer, but not what they advertise: a listener's address is wrong, mostly.
        return errors[0] if errors and all(errors) else None

    def error(self) -> str:
        """What is wrong with one of them; empty: nothing that is known."""
        return next((link.error for link in self.by_node.values() if link.error), "")

    def wake(self) -> None:
        """Let every link look for something to do."""
        for link in self.by_node.values():
            link.wake()

    def status(self) -> tuple[BrokerStatus, ...]:
        """What /status says of them."""
        return tuple(
            BrokerStatus(
                node_id=node_id,
                address=f"{link.address.host}:{link.address.port}",
                connected=link.is_open,
                error=link.error or "",
            )
            for node_id, link in sorted(self.by_node.items())
        )

    async def close(self) -> None:
        """End all links; what is under way counts as perhaps written."""
        for node_id in list(self.by_node):
            self._end(node_id)
        if self._closing:
            await asyncio.wait(self._closing, timeout=1.0)

    def _begin(self, address: BrokerAddress) -> None:
        link = self.by_node[address.node_id] = self._make(address)
        name = f"producer {self._profile}: broker {address.node_id}"
        self._tasks[address.node_id] = asyncio.create_task(supervise(name, link.run))

    def _end(self, node_id: int) -> None:
        closing = asyncio.create_task(_stop(self._tasks.pop(node_id), self.by_node.pop(node_id)))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


async def _stop(task: "asyncio.Task[None]", link: LeaderLink) -> None:
    task.cancel()
    await asyncio.wait([task])
    await link.close()
