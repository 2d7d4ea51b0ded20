"""A directory that many gateways share: whose spool is whose, by name alone, and taking over one of a pod that is gone.

ROOT/UID                 the spool of the pod with this uid
ROOT/UID.adopted.ORIGIN  a spool that this pod has taken over; ORIGIN is whose it was first

Blocks. Decides nothing: who takes over whose, the operator grants. Called by `adoption`.
"""

import errno
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import NamedTuple, Self

from headgate_gateway.spool.disk import Disk

log = logging.getLogger(__name__)

_NAME = re.compile(r"([0-9a-z-]{1,64})(?:\.adopted\.([0-9a-z~-]{1,96}))?")
_ADOPTED = ".adopted."
_TAKEN = frozenset({errno.ENOTEMPTY, errno.EEXIST})


def is_owner(text: str) -> bool:
    """Whether it can be the uid of a pod, as Kubernetes makes them."""
    return re.fullmatch(r"[0-9a-z-]{1,64}", text) is not None


class SpoolName(NamedTuple):
    """The name of a directory under ROOT, taken apart."""

    holder: str
    """The pod that has it."""
    origin: str
    """The pod whose it was first."""

    @classmethod
    def parse(cls, name: str) -> Self | None:
        """None: it is no spool's."""
        matched = _NAME.fullmatch(name)
        return cls(matched[1], matched[2] or matched[1]) if matched else None


def find_adopter(name: str, names: Iterable[str]) -> str | None:
    """Who has taken over the directory that had this name, by the names that there are now; None: nobody, as far as they tell."""
    own = SpoolName.parse(name)
    others = (SpoolName.parse(each) for each in names if each != name and _ADOPTED in each)
    return next((other.holder for other in others if own and other and _is_of(other.origin, own.origin)), None)


def _is_of(origin: str, own: str) -> bool:
    # One that came back and was gone again has a number.
    return origin == own or origin.startswith(f"{own}~")


@dataclass(frozen=True, slots=True)
class Sight:
    """What is under ROOT."""

    mine: Mapping[str, int]
    """By name: spools that this pod has taken over, and their bytes."""
    foreign: Mapping[str, int]
    """By uid: other pods, and the bytes of all that they have."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of each directory, by name."""


def look(disk: Disk, root: str, owner: str, known: Mapping[str, int] | None = None) -> Sight:
    """See what is there. `known`: the bytes of directories that were measured before, by name. Raises OSError."""
    mine: dict[str, int] = {}
    foreign: dict[str, int] = {}
    sizes: dict[str, int] = {}
    for name in disk.listdir(root):
        parsed = SpoolName.parse(name)
        if parsed is None or name == owner:
            continue
        nbytes = known[name] if known and name in known else sum(_sizes(disk, f"{root}/{name}"))
        sizes[name] = nbytes
        if parsed.holder == owner:
            mine[name] = nbytes
        else:
            foreign[parsed.holder] = foreign.get(parsed.holder, 0) + nbytes
    return Sight(mine, foreign, sizes)


def _sizes(disk: Disk, path: str) -> Iterator[int]:
    """Of a spool's files, as far as they can be seen: its gateway makes and deletes some meanwhile."""
    sides = (f"{path}/side/{name}" for name in _names(disk, f"{path}/side"))
    for directory in (f"{path}/log", f"{path}/parked", *sides):
        for name in _names(disk, directory):
            with suppress(OSError):
                yield disk.size(f"{directory}/{name}")


def _names(disk: Disk, path: str) -> list[str]:
    with suppress(OSError):
        return disk.listdir(path)
    return []


def take_over(disk: Disk, root: str, owner: str, gone: str) -> list[str]:
    """Rename all that a pod had to this pod's: the new names. What others take meanwhile is theirs. Raises OSError.

    One that cannot be renamed keeps nobody from the others.
    """
    taken = []
    for name in disk.listdir(root):
        parsed = SpoolName.parse(name)
        if parsed is not None and parsed.holder == gone and gone != owner:
            try:
                taken += _move(disk, root, name, f"{owner}.adopted.{parsed.origin}")
            except OSError as error:
                log.warning("a spool cannot be taken over now", extra={"directory": name, "error": str(error)})
    return taken


def _move(disk: Disk, root: str, name: str, wanted: str) -> list[str]:
    # A pod that was cut off and comes back makes a directory of the same name once more.
    for target in (wanted if again == 1 else f"{wanted}~{again}" for again in count(1)):
        try:
            disk.move(f"{root}/{name}", f"{root}/{target}")
        except FileNotFoundError:
            return []
        except OSError as error:
            if error.errno not in _TAKEN:
                raise
        else:
            return [target]
    return []
