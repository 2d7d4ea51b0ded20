"""Has passwords checked off the event loop, few at a time, and remembers for a while which were right.

Whoever guesses can keep no more than one thread busy, and that one steps back for the event loop. What waits is
bounded, by repo too, so that guesses at one repo hold up the new users of others only for moments.
"""

import logging
import os
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

from headgate_gateway.http.auth import Admitted, Authenticator, Denied, Encoded, PasswordClaim
from headgate_gateway.http.workers import Workers

if TYPE_CHECKING:
    import asyncio

log = logging.getLogger("headgate.gateway.auth")

REMEMBERED: Final = 10_000
"""Right passwords, and as many wrong ones."""
RIGHT_SECONDS: Final = 300.0
WRONG_SECONDS: Final = 10.0
"""A client that was set up wrongly asks again and again; nobody guesses the same twice."""
WAITING_OF_REPO: Final = 32
WAITING: Final = 64
"""Checks under way: at some 50 ms each, the last waits for three seconds."""

Fingerprint = bytes
"""A keyed hash of a user's name and password as they are sent: this memory is no use to whoever reads it."""


Comparison = tuple[Fingerprint, str]
"""What was presented, and the key of the hash that it was compared with: repos with other hashes ask anew."""


class _Remembered:
    """Comparisons, each for some seconds from when it was noted. Nothing that a client has sent is kept."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: OrderedDict[Comparison, float] = OrderedDict()
        """In order of time."""

    def __len__(self) -> int:
        return len(self._until)

    def note(self, comparison: Comparison, now: float) -> None:
        until = self._until
        until.pop(comparison, None)
        while until and (len(until) >= REMEMBERED or next(iter(until.values())) <= now):
            until.popitem(last=False)
        until[comparison] = now + self._seconds

    def knows(self, comparison: Comparison, now: float) -> bool:
        return self._until.get(comparison, now) > now


class Finding(Enum):
    """What a check has found out."""

    RIGHT = auto()
    WRONG = auto()
    NOTHING = auto()
    """It broke, for want of memory say: nobody is let in, and nobody is told that a password is wrong."""


class Check:
    """One password being checked, for all requests that present it."""

    __slots__ = ("_listeners", "finding")

    def __init__(self) -> None:
        self.finding: Finding | None = None
        """None: not known yet."""
        self._listeners: list[Callable[[Finding], None]] = []

    def tell(self, listener: Callable[[Finding], None]) -> None:
        """Call with the verdict, now or once it is known."""
        if self.finding is None:
            self._listeners.append(listener)
        else:
            listener(self.finding)

    def settle(self, finding: Finding) -> None:
        """The verdict."""
        self.finding = finding
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            listener(finding)


class Passwords:
    """All of a gateway."""

    def __init__(
        self, clock: Callable[[], float], check: Callable[[PasswordClaim], bool] = PasswordClaim.holds
    ) -> None:
        self._clock = clock
        self._check = check
        self._secret = os.urandom(32)
        self._right = _Remembered(RIGHT_SECONDS)
        self._wrong = _Remembered(WRONG_SECONDS)
        self._under_way: dict[Comparison, Check] = {}
        self._of_repo: dict[str, int] = {}
        self._workers = Workers(1, nice=True)

    def judge(self, auth: Authenticator, encoded: Encoded, repo: str) -> Admitted | Denied | Check | None:
        """Whether a password is right, as far as that is known; None: too many are being checked already."""
        claim = auth.claim(encoded)
        if claim is None:
            return Denied.NOT_VALID
        comparison = blake2b(encoded, key=self._secret, digest_size=16).digest(), claim.entry.key
        now = self._clock()
        # A user who is there no longer is compared with a hash of nobody's, which may have the key of a user's.
        if claim.entry.user and self._right.knows(comparison, now):
            return Admitted(claim.entry.user)
        if self._wrong.knows(comparison, now):
            return Denied.NOT_VALID
        check = self._under_way.get(comparison)
        if check is None and len(self._under_way) < WAITING and self._of_repo.get(repo, 0) < WAITING_OF_REPO:
            check = self._begin(claim, comparison, repo)
        return check

    def _begin(self, claim: PasswordClaim, comparison: Comparison, repo: str) -> Check:
        check = self._under_way[comparison] = Check()
        self._of_repo[repo] = self._of_repo.get(repo, 0) + 1
        on_done = partial(self._settle, check, comparison, repo)
        self._workers.take_turn(lambda: self._workers.run(partial(self._check, claim), on_done))
        return check

    def _settle(self, check: Check, comparison: Comparison, repo: str, done: "asyncio.Future[bool]") -> None:
        self._workers.end_turn()
        del self._under_way[comparison]
        self._of_repo[repo] -= 1
        if not self._of_repo[repo]:
            del self._of_repo[repo]
        failure = done.exception()
        if failure is not None:
            log.error("a password could not be checked", exc_info=failure, extra={"repo": repo})
            check.settle(Finding.NOTHING)
            return
        is_right = done.result()
        (self._right if is_right else self._wrong).note(comparison, self._clock())
        check.settle(Finding.RIGHT if is_right else Finding.WRONG)
