"""One run's world: brokers behind proxies, a gateway, topics and clients; what faults act upon, and what was seen.

Owns the order in which these come and go. Decides nothing about what is right: that is the oracle's.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.integration.gateway.process import repo
from tests.integration.kafka.producing import new_name

from .answers import Fate
from .brokers import PASSWORD, USER, Brokers
from .clock import Clock
from .disks import small_disk
from .gateway import Gateway
from .oracle import Terms
from .scenario import Scale
from .slowness import Slowness
from .spooled import lines_in, parked_in
from .stages import Stage
from .traffic import Target, Traffic

GRACE_SECONDS = 3.0
"""Of the gateway's grace period beyond its deliveryTimeout."""
SLACK_SECONDS = 5.0
"""Beyond the deliveryTimeout, until a request counts as hanging: the machine is shared."""
VISIT_SECONDS = 1.0
"""Between two visits."""
WELL = frozenset({Fate.KAFKA, Fate.DISK})


@dataclass
class World:
    """What a scenario runs in."""

    stage: Stage
    brokers: Brokers
    gateway: Gateway
    scale: Scale
    spool: Path
    topic: str
    late_topic: str
    problems: list[str] = field(default_factory=list)
    traffic: Traffic | None = None
    clock: Clock | None = None
    """The gateway's, where a fault moves it."""
    slowness: Slowness | None = None
    """Of the gateway's disk, where a fault makes it slow."""
    ended: bool = False
    """Whether the gateway was ended, so that connections broke."""
    undelivered: int = 0
    """Records that were on disk and not checkpointed whenever the gateway was killed: each may be sent once more."""
    damaged: set[int] = field(default_factory=set)
    """Lines in what was damaged on disk."""
    parked: set[int] = field(default_factory=set)
    """Lines that the gateway has parked, since Kafka refuses them for good."""
    revision: int = 0
    profiles: int = 0
    """How often the profile has changed."""
    _late_topic_exists: bool = False

    def change_config(self, *, profile: bool = False) -> None:
        """Another revision; with another content of the profile, hence another producer."""
        self.revision += 1
        self.profiles += profile
        self.gateway.configure(*self._entries(), user=USER, password=PASSWORD)

    def _entries(self) -> list[dict[str, Any]]:
        timeout = self.scale.delivery_ms + self.profiles % 2
        sasl = {
            "mechanism": "SCRAM-SHA-512",
            "usernameFile": "credential.user",
            "passwordFile": "credential.password",
        }
        return [
            repo(
                each.name, self.brokers.bootstrap[0], self.late_topic if each.late else self.topic,
                timeout=f"{timeout}ms", revision=f"r{self.revision}",
                producer={"bootstrapServers": self.brokers.bootstrap, "sasl": sasl},
                kafka={"key": {"field": "k"}, **each.kafka},
            )
            for each in self.stage.repos
        ]  # fmt: skip

    async def create_late_topic(self) -> None:
        """Make it, if it is not there."""
        if not self._late_topic_exists:
            await self.brokers.create_topic(self.late_topic)
            self._late_topic_exists = True

    async def kill_gateway(self) -> None:
        """SIGKILL."""
        self.ended = True
        await self.gateway.kill()
        if self.stage.spools:
            self.undelivered += len(await asyncio.to_thread(lines_in, self.spool))

    async def terminate_gateway(self) -> None:
        """SIGTERM, and what is wrong with how it ends."""
        self.ended = True
        limit = self.scale.delivery_ms / 1000 + GRACE_SECONDS
        try:
            code = await self.gateway.terminate(limit + 2)
        except TimeoutError:
            self.problems.append(f"a gateway that was told to stop did not within {limit} s")
        else:
            if code:
                self.problems.append(f"a gateway that was told to stop ended with {code}")

    def begin_traffic(self, seed: int, longest: float) -> None:
        """Let clients send; no fault lasts longer than that."""
        patience = 2 * self.scale.delivery_ms / 1000 + longest + SLACK_SECONDS
        targets = [
            Target(
                port=lambda: self.gateway.port,
                process=lambda: self.gateway.number,
                path=f"/log/repo/{each.name}",
                patience=patience,
                pause=self.scale.pause,
                large=each.large,
            )
            for each in self.stage.repos
            for _ in range(each.senders)
        ]
        self.traffic = Traffic(targets, seed)

    async def visited(self, seconds: float) -> None:
        """So long, clients come that send one request each, to every repo: all others may be waiting for answers."""
        assert self.traffic is not None
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.traffic.visit()
            await asyncio.sleep(min(left, VISIT_SECONDS))

    async def recovered(self) -> None:
        """Wait until clients of every repo are served again, all faults being over."""
        begun = time.monotonic()
        try:
            async with asyncio.timeout(self.scale.recovery):
                while not self._all_served_since(begun):  # noqa: ASYNC110 - answers come to many senders
                    await asyncio.sleep(0.05)
        except TimeoutError:
            self.problems.append(f"{self.scale.recovery:g} s after the last fault, not everything is delivered again")

    async def emptied(self) -> None:
        """Wait until the gateway has delivered all that is on its disk, but what it has parked."""
        spool: dict[str, Any] = {}
        try:
            async with asyncio.timeout(self.scale.recovery):
                while spool.get("backlogRecords", 1):
                    await asyncio.sleep(0.1)
                    spool = (await self.gateway.status())["spool"]
        except TimeoutError:
            self.problems.append(f"{self.scale.recovery:g} s after the last request, there is still a backlog: {spool}")

    async def inspected(self) -> None:
        """The gateway has ended: its disk is whole, and what it has parked is delivered by the tool for that."""
        if not self.damaged:
            await self._headgate_spool("verify")
        self.parked |= set(await asyncio.to_thread(parked_in, self.spool))
        if self.parked:
            await self._headgate_spool("replay", "--log", "parked", "--credentials", str(self.gateway.config))

    async def _headgate_spool(self, verb: str, *flags: str) -> None:
        command = [str(Path(sys.executable).parent / "headgate"), "spool", verb, str(self.spool), *flags]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)
        if done.returncode:
            self.problems.append(f"headgate spool {verb} ended with {done.returncode}: {done.stdout}{done.stderr}")

    def _all_served_since(self, begun: float) -> bool:
        assert self.traffic is not None
        log = self.traffic.log
        served = {
            line.sender
            for line in log.sent[-2_000:]
            if log.told.get(line.number) in WELL and log.told_at[line.number] > begun
        }
        return served.issuperset(self.traffic.residents)

    def terms(self) -> Terms:
        """What the faults of this run allow: copies are those that gateways counted, or could not tell us of."""
        assert self.traffic is not None
        log = self.traffic.log
        counted = sum(process.counted for process in self.gateway.processes)
        untold = 0
        for line in log.sent:
            process = self.gateway.processes[line.process]
            told_at = log.told_at.get(line.number)
            untold += process.ended and (told_at is None or told_at > process.asked_at)
        return Terms(
            # A record may be sent again more than once in the time between two questions, though that is rare.
            doubled=counted + 2 * untold + self.undelivered,
            may_be_lost=self.damaged,
            may_be_unanswered=self.ended,
            set_aside=self.parked,
            # What waits on disk for a profile as it was is overtaken by what comes for it as it is.
            promises_order=not (self.stage.spools and self.profiles),
        )


@asynccontextmanager
async def world(
    stage: Stage,
    brokers: Brokers,
    scale: Scale,
    folder: Path,
    *,
    late_topic: bool,
    spool_bytes: str,
    moves_clock: bool,
    slows_disk: bool,
) -> AsyncIterator[World]:
    """A gateway that serves, and topics; without the late one where a fault makes it."""
    grace = f"{scale.delivery_ms + GRACE_SECONDS * 1000:.0f}ms"
    config, spool = folder / "config", folder / "disk" / "spool"
    config.mkdir(parents=True)
    flags = ["--drain-delay", "200ms", "--grace-period", grace]
    if stage.spools:
        flags += ["--spool", str(spool), "--spool-max-bytes", spool_bytes, "--spool-segment-bytes", "256Ki"]
    clock = Clock(folder / "clock") if moves_clock else None
    slowness = Slowness(folder / "slowness", spool.parent) if slows_disk else None
    within = [word for each in (clock, slowness) if each for word in each.within]
    gateway = Gateway(config, flags, within)
    made = World(
        stage, brokers, gateway, scale, spool, new_name("faults"), new_name("late"), clock=clock, slowness=slowness
    )
    await brokers.create_topic(made.topic)
    if late_topic:
        await made.create_late_topic()
    made.change_config()
    async with small_disk(spool.parent) if stage.spools else nullcontext():
        try:
            await gateway.start()
            yield made
        finally:
            if made.traffic is not None:
                await made.traffic.abandon()
            await gateway.kill()
