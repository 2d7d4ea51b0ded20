"""`sample`: lets a part of the events go on, the same ones in every process, now and later."""

from fractions import Fraction
from hashlib import blake2b

from headgate_gateway.config.executors import Sample
from headgate_gateway.pipeline.executors.context import ExecutorContext
from headgate_gateway.pipeline.executors.paths import compile_read
from headgate_gateway.pipeline.executors.spelling import bytes_of
from headgate_gateway.pipeline.fields import ABSENT
from headgate_gateway.pipeline.steps import DROP, Answer, Event, Step

_DIGEST_BYTES = 8


def compile_sample(config: Sample, context: ExecutorContext) -> Step:
    """An event goes on when its hash, as a part of all hashes, is below the percentage.

    So whoever goes on at 1 % goes on at 10 % too, and two steps by the same field do not multiply.
    """
    bound = round(Fraction(config.percent) / 100 * 2 ** (8 * _DIGEST_BYTES))
    read = compile_read(config.field) if config.field else lambda event: ABSENT

    def sample(event: Event) -> Answer:
        value = read(event)
        text = bytes_of(event if value is ABSENT else value)
        place = int.from_bytes(blake2b(text, digest_size=_DIGEST_BYTES).digest(), "big")
        return event if place < bound else DROP

    return sample
