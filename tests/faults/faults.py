"""What goes wrong: one function a fault. Each begins it, keeps it up for as long as the step says, and ends it.

Faults that share a group never overlap: a broker cannot be stopped while it is frozen. Others do.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random

from . import disks
from .gateway import SLOW_SECONDS
from .scenario import Step
from .spooled import lines_in
from .world import World

Act = Callable[[World, Step, Random], Awaitable[None]]
SLOW_MS = (20, 100, 500, 12_000)
"""What a write or a sync takes; the last is more than a gateway gives a commit before it counts the disk as failed."""
TELLING_MS = 500
"""What they take at last, until the gateway has told of a commit that was slow: on a busy machine none may have begun."""
SIGN_SECONDS = 20.0
"""Within which it does."""


@dataclass(frozen=True)
class Fault:
    """A kind of fault."""

    act: Act
    groups: tuple[str, ...]
    """What it meddles with: of those that share a group, one waits for the other."""
    weight: int = 4
    """How often it is drawn, beside others: those that take brokers a long time to get over are rarer. 0: only by itself."""
    of_spools: bool = False
    """Whether it is about the gateway's disk."""


async def cut_requests(world: World, step: Step, random: Random) -> None:
    """Connections end halfway through produce requests, or right after them."""
    await _cut(world, world.brokers.weather.cut_requests, step, random)


async def cut_answers(world: World, step: Step, random: Random) -> None:
    """Connections end in the middle of Kafka's answers, or before them: it has written."""
    await _cut(world, world.brokers.weather.cut_answers, step, random)


async def _cut(world: World, armed: list[float], step: Step, random: Random) -> None:
    for _ in range(random.randint(2, 5)):
        armed.append(random.choice([0.0, 0.5, 1.0, random.random()]))
        await asyncio.sleep(step.seconds / 4)
    armed.clear()


async def reset_connections(world: World, step: Step, random: Random) -> None:
    """All connections end at once, again and again."""
    for _ in range(random.randint(2, 5)):
        world.brokers.reset_connections()
        await asyncio.sleep(step.seconds / 4)


async def black_hole(world: World, step: Step, _: Random) -> None:
    """Nothing passes, and all of it later."""
    world.brokers.weather.swallow()
    await asyncio.sleep(step.seconds)
    world.brokers.weather.release()


async def no_network(world: World, step: Step, _: Random) -> None:
    """Nothing listens where brokers were."""
    world.brokers.weather.refuse = True
    world.brokers.reset_connections()
    await asyncio.sleep(step.seconds)
    world.brokers.weather.refuse = False


async def delay(world: World, step: Step, random: Random) -> None:
    """Every request and every answer takes its time, up to more than a request has."""
    world.brokers.weather.delay = random.choice([0.01, 0.1, 0.7]) * world.scale.delivery_ms / 1000
    await asyncio.sleep(step.seconds)
    world.brokers.weather.delay = 0.0


async def throttle(world: World, step: Step, random: Random) -> None:
    """Few bytes a second."""
    world.brokers.weather.rate = random.choice([2_000.0, 20_000.0, 200_000.0])
    await asyncio.sleep(step.seconds)
    world.brokers.weather.rate = 0.0


async def frozen_kafka(world: World, step: Step, _: Random) -> None:
    """All brokers freeze, connections stay open."""
    everyone = range(world.brokers.count)
    await world.brokers.pause(*everyone)
    await asyncio.sleep(step.seconds)
    await world.brokers.unpause(*everyone)


async def frozen_broker(world: World, step: Step, random: Random) -> None:
    """One of them does."""
    broker = random.randrange(world.brokers.count)
    await world.brokers.pause(broker)
    await asyncio.sleep(step.seconds)
    await world.brokers.unpause(broker)


async def killed_broker(world: World, step: Step, random: Random) -> None:
    """One is killed, and comes back."""
    broker = random.randrange(world.brokers.count)
    await world.brokers.kill(broker)
    await asyncio.sleep(step.seconds)
    await world.brokers.start(broker)


async def stopped_broker(world: World, step: Step, random: Random) -> None:
    """One shuts down in good order, and comes back."""
    broker = random.randrange(world.brokers.count)
    await world.brokers.stop(broker)
    await asyncio.sleep(step.seconds)
    await world.brokers.start(broker)


async def killed_kafka(world: World, step: Step, _: Random) -> None:
    """All are killed, and come back."""
    everyone = range(world.brokers.count)
    await world.brokers.kill(*everyone)
    await asyncio.sleep(step.seconds)
    await world.brokers.start(*everyone)


async def stopped_kafka(world: World, step: Step, _: Random) -> None:
    """All shut down in good order, and come back."""
    everyone = range(world.brokers.count)
    await world.brokers.stop(*everyone)
    await asyncio.sleep(step.seconds)
    await world.brokers.start(*everyone)


async def moved_leaders(world: World, step: Step, _: Random) -> None:
    """Every partition gets another leader, twice."""
    for _turn in range(2):
        await world.brokers.move_leaders(world.topic)
        await asyncio.sleep(step.seconds / 2)


async def few_replicas(world: World, step: Step, random: Random) -> None:
    """NOT_ENOUGH_REPLICAS: a broker is away, and the topic asks for all of them."""
    broker = random.randrange(world.brokers.count)
    await world.brokers.configure_topic(world.topic, "min.insync.replicas", str(world.brokers.count))
    await world.brokers.stop(broker)
    await asyncio.sleep(step.seconds)
    await world.brokers.configure_topic(world.topic, "min.insync.replicas", None)
    await world.brokers.start(broker)


async def missing_topic(world: World, step: Step, _: Random) -> None:
    """A topic is made only after a while; `World` has left it out."""
    await asyncio.sleep(step.seconds)
    await world.create_late_topic()


async def small_topic(world: World, step: Step, _: Random) -> None:
    """The topic refuses large records for a while."""
    await world.brokers.configure_topic(world.topic, "max.message.bytes", "30000")
    await asyncio.sleep(step.seconds)
    await world.brokers.configure_topic(world.topic, "max.message.bytes", None)


async def revoked_user(world: World, step: Step, _: Random) -> None:
    """The credentials are gone, and connections that had them end; then they hold again."""
    await world.brokers.revoke_user()
    world.brokers.reset_connections()
    await asyncio.sleep(step.seconds)
    await world.brokers.add_user()


async def denied_user(world: World, step: Step, _: Random) -> None:
    """The right to write is taken away, and given back."""
    await world.brokers.deny_writing(world.topic)
    await asyncio.sleep(step.seconds)
    await world.brokers.allow_writing(world.topic)


async def killed_gateway(world: World, step: Step, random: Random) -> None:
    """SIGKILL, and a new process."""
    await asyncio.sleep(random.uniform(0, 0.3))
    await world.kill_gateway()
    await asyncio.sleep(random.choice([0.0, step.seconds]))
    await world.gateway.start()


async def killed_gateway_in_reload(world: World, step: Step, random: Random) -> None:
    """SIGKILL while a new config is being taken."""
    world.change_config()
    await asyncio.sleep(random.uniform(0, 0.5))
    await killed_gateway(world, step, random)


async def terminated_gateway(world: World, step: Step, random: Random) -> None:
    """SIGTERM, and a new process."""
    await world.terminate_gateway()
    await asyncio.sleep(random.choice([0.0, step.seconds]))
    await world.gateway.start()


async def frozen_gateway(world: World, step: Step, _: Random) -> None:
    """The process stands still, as on a machine that is paused."""
    world.gateway.freeze(frozen=True)
    await asyncio.sleep(step.seconds)
    world.gateway.freeze(frozen=False)


async def moved_clock(world: World, step: Step, random: Random) -> None:
    """The gateway's clock jumps, ahead and back; by less than what Kafka takes for a timestamp."""
    assert world.clock is not None
    world.clock.move(random.choice([1_800, -1_800, -86_400]))
    await asyncio.sleep(step.seconds)
    world.clock.move(0)


async def reloads(world: World, step: Step, random: Random) -> None:
    """The config changes, again and again."""
    for _ in range(random.randint(2, 4)):
        world.change_config()
        await asyncio.sleep(max(0.3, step.seconds / 4))


async def changed_profile(world: World, step: Step, random: Random) -> None:
    """The profile changes, and with it the producer."""
    for _ in range(random.randint(1, 3)):
        world.change_config(profile=True)
        await asyncio.sleep(max(0.3, step.seconds / 4))


async def killed_gateway_in_replay(world: World, step: Step, random: Random) -> None:
    """SIGKILL while what has gathered on disk is being delivered."""
    await no_network(world, step, random)
    await asyncio.sleep(random.uniform(0, 0.5))
    await world.kill_gateway()
    await world.gateway.start()


async def terminated_gateway_without_kafka(world: World, step: Step, random: Random) -> None:
    """SIGTERM while Kafka is gone: what is on disk is left for the next process."""
    world.brokers.weather.refuse = True
    world.brokers.reset_connections()
    await asyncio.sleep(step.seconds)
    await terminated_gateway(world, step, random)
    await asyncio.sleep(step.seconds)
    world.brokers.weather.refuse = False


async def full_disk(world: World, step: Step, _: Random) -> None:
    """Somebody else takes all the room that there is on the disk."""
    async with disks.full(world.spool.parent):
        await asyncio.sleep(step.seconds)


async def read_only_disk(world: World, step: Step, _: Random) -> None:
    """Nothing can be made, renamed or deleted; what is open stays open, as Linux has it."""
    async with disks.read_only(world.spool):
        await asyncio.sleep(step.seconds)


async def slow_disk(world: World, step: Step, random: Random) -> None:
    """Every write and every sync takes a while, now this long, now that; clients come who have not waited before."""
    assert world.slowness is not None
    begun, before = time.monotonic(), world.gateway.slow_commits
    for milliseconds, seconds in slow_stages(step.seconds, world.scale.longest, random):
        world.slowness.set(milliseconds)
        await world.visited(seconds)
    world.slowness.set(TELLING_MS)
    was_slow = await _was_slow(world, begun, before)
    world.slowness.set(0)
    if not was_slow:
        world.problems.append(f"the disk was to be slow, and no commit took longer than {SLOW_SECONDS} s")


def slow_stages(seconds: float, longest: float, random: Random) -> list[tuple[int, float]]:
    """Milliseconds that a call takes, and for how many seconds: for one call at least, where outages last that long."""
    share, calls = seconds / len(SLOW_MS), random.sample(SLOW_MS, len(SLOW_MS))
    return [(call, share if call / 1000 > longest else max(share, call / 1000)) for call in calls]


async def _was_slow(world: World, begun: float, before: int) -> bool:
    """Whether a commit was, as the gateway tells; one that was away, frozen or full meanwhile may have made none."""
    gateway = world.gateway
    with suppress(TimeoutError):
        async with asyncio.timeout(SIGN_SECONDS):
            while gateway.could_commit_since(begun) and gateway.slow_commits == before:  # noqa: ASYNC110 - it is asked by another task
                await asyncio.sleep(0.05)
    return gateway.slow_commits > before or not gateway.could_commit_since(begun)


async def full_spool(world: World, step: Step, random: Random) -> None:
    """Kafka is gone for longer than the spool has room for; `run` makes the spool small."""
    await no_network(world, step._replace(seconds=max(step.seconds, 2.0)), random)


async def flipped_bits(world: World, step: Step, random: Random) -> None:
    """Between two processes, bits of a segment change."""
    await _damaged(world, step, random, disks.flip_bits)


async def truncated_segment(world: World, step: Step, random: Random) -> None:
    """Between two processes, a segment loses its end."""
    await _damaged(world, step, random, disks.truncate)


async def _damaged(world: World, step: Step, random: Random, damage: Callable[[Path, Random], None]) -> None:
    world.brokers.weather.refuse = True
    world.brokers.reset_connections()
    await asyncio.sleep(max(step.seconds, 0.5))
    await world.kill_gateway()
    before = set(await asyncio.to_thread(lines_in, world.spool))
    await asyncio.to_thread(damage, world.spool, random)
    world.damaged |= before - set(await asyncio.to_thread(lines_in, world.spool))
    await world.gateway.start()
    world.brokers.weather.refuse = False


NETWORK, BROKERS, TOPIC, USER, GATEWAY, DISK, CLOCK = "network", "brokers", "topic", "user", "gateway", "disk", "clock"
MISSING_TOPIC, FULL_SPOOL, MOVED_CLOCK, SLOW_DISK = "missing-topic", "full-spool", "moved-clock", "slow-disk"
FAULTS = {
    "cut-requests": Fault(cut_requests, (NETWORK,)),
    "cut-answers": Fault(cut_answers, (NETWORK,)),
    "reset-connections": Fault(reset_connections, (NETWORK,)),
    "black-hole": Fault(black_hole, (NETWORK,)),
    "no-network": Fault(no_network, (NETWORK,)),
    "delay": Fault(delay, (NETWORK,)),
    "throttle": Fault(throttle, (NETWORK,)),
    "frozen-kafka": Fault(frozen_kafka, (BROKERS,)),
    "frozen-broker": Fault(frozen_broker, (BROKERS,)),
    "killed-broker": Fault(killed_broker, (BROKERS,), weight=1),
    "stopped-broker": Fault(stopped_broker, (BROKERS,), weight=1),
    "killed-kafka": Fault(killed_kafka, (BROKERS,), weight=1),
    # Together with others, killed-kafka stands for it: that leaves less behind.
    "stopped-kafka": Fault(stopped_kafka, (BROKERS,), weight=0),
    "moved-leaders": Fault(moved_leaders, (BROKERS,)),
    "few-replicas": Fault(few_replicas, (BROKERS,), weight=1),
    MISSING_TOPIC: Fault(missing_topic, (TOPIC,)),
    "small-topic": Fault(small_topic, (TOPIC,)),
    "revoked-user": Fault(revoked_user, (USER,)),
    "denied-user": Fault(denied_user, (USER,)),
    "killed-gateway": Fault(killed_gateway, (GATEWAY,)),
    "killed-gateway-in-reload": Fault(killed_gateway_in_reload, (GATEWAY,)),
    "terminated-gateway": Fault(terminated_gateway, (GATEWAY,)),
    "frozen-gateway": Fault(frozen_gateway, (GATEWAY,)),
    MOVED_CLOCK: Fault(moved_clock, (CLOCK,)),
    "reloads": Fault(reloads, (GATEWAY,)),
    "changed-profile": Fault(changed_profile, (GATEWAY,), weight=2),
    "killed-gateway-in-replay": Fault(killed_gateway_in_replay, (GATEWAY, NETWORK), of_spools=True),
    "terminated-gateway-without-kafka": Fault(terminated_gateway_without_kafka, (GATEWAY, NETWORK), of_spools=True),
    "full-disk": Fault(full_disk, (DISK,), of_spools=True),
    "read-only-disk": Fault(read_only_disk, (DISK,), of_spools=True),
    SLOW_DISK: Fault(slow_disk, (DISK,), of_spools=True),
    FULL_SPOOL: Fault(full_spool, (NETWORK,), of_spools=True),
    "flipped-bits": Fault(flipped_bits, (DISK, GATEWAY, NETWORK), of_spools=True),
    "truncated-segment": Fault(truncated_segment, (DISK, GATEWAY, NETWORK), of_spools=True),
}


def drawn_from(*, spools: bool) -> list[str]:
    """What combinations are drawn from: the names of faults, as often as they weigh."""
    return [name for name in names(spools=spools) for _ in range(FAULTS[name].weight)]


def names(*, spools: bool) -> list[str]:
    """The faults that mean something to a gateway with or without a spool."""
    return [name for name, fault in FAULTS.items() if spools or not fault.of_spools]
