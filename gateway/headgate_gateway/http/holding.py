"""What one request holds of memory: the gateway's, and that of the producers which take its records.

`upload` reserves the body here before it is read, moves the records to their producers, and gives everything back once.
Never decides what a refusal counts as.
"""

from headgate_gateway.http import refusals
from headgate_gateway.http.admission import Budget
from headgate_gateway.http.messages import Response
from headgate_gateway.http.ports import Producer
from headgate_gateway.http.router import ServedRepo
from headgate_gateway.pipeline.records import Records


class Holding:
    """One request's reservations. All of it is the repo's own producer's until records go to others."""

    __slots__ = ("_budget", "_most", "_moved", "_producer", "_profile", "_repo", "_request_id", "reserved")

    def __init__(self, repo: ServedRepo, budget: Budget, request_id: str) -> None:
        config = repo.config
        self._repo = repo
        self._budget = budget
        self._request_id = request_id
        # Kept, since a lease may change its producer when credentials do, and what is reserved here is released here.
        self._producer: Producer = repo.lease.producer
        self._profile = config.kafka.producer_profile
        self._most = config.producers[self._profile].max_buffer_bytes
        self._moved: dict[str, tuple[Producer, int]] = {}
        """By profile: the producers beside the repo's own that hold some of what is reserved, and how much."""
        self.reserved = 0

    def reserve(self, nbytes: int) -> Response | None:
        """Take bytes of the gateway's memory and of the profile's; an answer without room."""
        budget, most, reserved = self._budget, self._most, self.reserved + nbytes
        if reserved > most:
            return refusals.body_too_large(most, "the profile's maxBufferBytes", self._request_id)
        if reserved > budget.limit:
            return refusals.body_too_large(budget.limit, "the gateway's memory", self._request_id)
        if not budget.reserve(nbytes):
            return refusals.overloaded("the gateway", self._request_id)
        if not self._producer.reserve(nbytes):
            budget.release(nbytes)
            return refusals.overloaded(f"producer {self._profile}", self._request_id)
        self.reserved = reserved
        return None

    def release(self, nbytes: int) -> None:
        """Give back some of what the repo's own producer holds."""
        self.reserved -= nbytes
        self._budget.release(nbytes)
        self._producer.release(nbytes)

    def release_all(self) -> None:
        """Give back the rest, each producer's to itself."""
        for producer, nbytes in self._moved.values():
            producer.release(nbytes)
            self.reserved -= nbytes
            self._budget.release(nbytes)
        self._moved = {}
        self.release(self.reserved)

    def move_all(self, made: list[Records]) -> Response | None:
        """Let each producer hold its records; an answer where one has no room, or would not deliver them."""
        for records in made:
            refusal = self._refuse_target(records)
            if refusal is not None:
                return refusal
        for records in made:
            refusal = self._move(records) if records.profile != self._profile else None
            if refusal is not None:
                return refusal
        return None

    def producer_of(self, profile: str) -> Producer:
        """Who takes the records of a profile."""
        if profile == self._profile:
            return self._producer
        moved = self._moved.get(profile)
        return self._repo.leases[profile].producer if moved is None else moved[0]

    def _refuse_target(self, records: Records) -> Response | None:
        """Known before anything is sent: waiting for it would take the memory of those whose records are delivered."""
        producer = self.producer_of(records.profile)
        return self._repo.refuse_target(records.profile, records.topic, producer, self._request_id)

    def _move(self, records: Records) -> Response | None:
        profile, nbytes = records.profile, records.nbytes
        producer, before = self._moved.get(profile) or (self.producer_of(profile), 0)
        most = self._repo.config.producers[profile].max_buffer_bytes
        if before + nbytes > most:
            return refusals.body_too_large(most, f"the maxBufferBytes of profile {profile}", self._request_id)
        if not producer.reserve(nbytes):
            return refusals.overloaded(f"producer {profile}", self._request_id)
        self._producer.release(nbytes)
        self._moved[profile] = producer, before + nbytes
        return None
