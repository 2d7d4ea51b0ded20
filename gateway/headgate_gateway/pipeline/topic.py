"""Which topic a request's events go to where no rule says otherwise: the repo's, or one that a request header names."""

from collections.abc import Callable, Mapping

from headgate_gateway.config.endpoint import Endpoint

ChooseTopic = Callable[[Mapping[str, bytes]], str]
"""Takes the request's headers by lower-case name. Raises TopicRefusedError."""


class TopicRefusedError(Exception):
    """The request names no topic, or none that it may name."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message


def compile_topic(endpoint: Endpoint, topic: str) -> ChooseTopic:
    """The choice of an endpoint; `topic` is the repo's own."""
    source = endpoint.topic_header
    if source is None:
        return lambda _: topic
    header, allowed = source.name.lower(), {name.encode(): name for name in source.topics}

    def choose(headers: Mapping[str, bytes]) -> str:
        named = headers.get(header, b"").strip()
        if not named:
            raise TopicRefusedError(400, "MissingTopic", f"the request names no topic: header {header} is missing")
        if named not in allowed:
            raise TopicRefusedError(403, "TopicNotAllowed", f"header {header} names a topic that is not allowed here")
        return allowed[named]

    return choose
