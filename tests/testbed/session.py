"""One run of the testbed: the lock, the state, the engine and the images, made when first asked for.

Owns the order in which these come to be. Everything that changes the testbed happens inside one session.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

from .builds import catalogue
from .builds.catalogue import Images
from .engine import find
from .engine.docker import Docker
from .progress import Progress, Silent
from .settings import Settings
from .state import State, locked
from .tools import Tools, collect


@dataclass
class Session:
    """What a run works with."""

    settings: Settings
    state: State
    progress: Progress

    @cached_property
    def docker(self) -> Docker:
        """An engine that answers; our own is started where none does."""
        return find.ensure(self.settings, self.state, self.progress)

    @cached_property
    def images(self) -> Images:
        """All images and tools, built or pulled where they are missing."""
        return catalogue.ensure(self.settings, self.state, self.docker, self.progress)

    def tools(self) -> Tools:
        """kind, kubectl and helm."""
        return collect(self.settings, self.docker.env, self.images.pulled)


@contextmanager
def opened(settings: Settings | None, progress: Progress | None, quiet: bool = False) -> Iterator[Session]:
    """A session that holds the lock. `quiet` shows nothing."""
    chosen = settings or Settings.read()
    shown = progress or (Silent() if quiet else Progress())
    chosen.prepare()
    with locked(chosen, shown):
        yield Session(chosen, State(chosen.state_file), shown)
