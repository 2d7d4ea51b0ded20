"""How much one line may become."""

MAX_EVENTS = 10_000
"""Events that one line may become, and parts that a splitter may cut."""

MAX_EVENT_BYTES = 16 * 2**20
"""Bytes of all events that one line may become, as JSON."""

MAX_WEIGHT = 32 * 2**20
"""What the events of one line may weigh between steps, as `weight` weighs them: about as many bytes of memory."""

MAX_LOOKED_AT = 4 * MAX_WEIGHT
"""What may be weighed of one event in all: one that is close to the limit would be weighed at each step."""


def too_many_events(count: int) -> str:
    """The message of a refusal."""
    return f"the line would become {count} events, and {MAX_EVENTS} is the limit"


def too_many_bytes(size: int) -> str:
    """The message of a refusal."""
    return f"the line would become {size} bytes of events, and {MAX_EVENT_BYTES} is the limit"


def too_heavy() -> str:
    """The message of a refusal."""
    return f"the line would take more than {MAX_WEIGHT} bytes of memory"


def too_much_to_weigh() -> str:
    """The message of a refusal."""
    return (
        f"the line stays so heavy that weighing it between the executors would take more than {MAX_LOOKED_AT} bytes "
        f"in all, of {MAX_WEIGHT} that it may take at a time"
    )
