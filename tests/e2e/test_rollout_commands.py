"""`kubectl headgate rollout ...` through kubectl itself: what people and pipelines see and steer, with the exit codes."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.api import Api
from tests.e2e.conftest import PROFILE
from tests.e2e.release import Release
from tests.e2e.repos import repo, status_at_least, wait_ready
from tests.e2e.rollouts import change, rollout_of, wait_phase
from tests.e2e.traffic import steady_traffic, wait_requests
from tests.testbed.cluster import Cluster

pytestmark = pytest.mark.cluster

NAME = "steered"
PROMOTED, WENT_BACK, NOT_ACCEPTED, TOO_LATE, WAITS = 0, 1, 2, 3, 4
"""Exit codes of `status --wait`, as docs/cli.md has them."""


class Plugin:
    """kubectl with the plugin on its PATH."""

    def __init__(self, api: Api, kubectl: Path, namespace: str) -> None:
        self._words = [str(kubectl), "headgate", "rollout"]
        self._namespace = namespace
        here = Path(sys.executable).parent
        self._environment = {**os.environ, "KUBECONFIG": str(api.kubeconfig), "PATH": f"{here}:{os.environ['PATH']}"}

    @contextmanager
    def running(self, verb: str, *flags: str) -> Iterator["subprocess.Popen[str]"]:
        """A verb beside the block; it ends with the block at the latest."""
        words = [*self._words, verb, NAME, "-n", self._namespace, *flags]
        process = subprocess.Popen(
            words, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def run(self, verb: str, *flags: str) -> tuple[int, str]:
        """Run a verb to its end: exit code, and all that it said."""
        with self.running(verb, *flags) as process:
            said, _ = process.communicate(timeout=120)
        return process.returncode, said


def test_a_rollout_is_steered_and_awaited_through_kubectl(
    release: Release, cluster: Cluster, namespace: str, topic: str, say: Callable[[str], None]
) -> None:
    plugin = Plugin(release.api, cluster.kubectl, namespace)
    steps = [{"weight": 40, "hold": "Manual"}, {"weight": 45, "hold": "1s"}]
    how = {"steps": steps, "analysis": {"minRequests": 10}}
    release.api.apply(repo(NAME, namespace, PROFILE, topic, rollout=how))
    wait_ready(release, namespace, NAME)
    assert plugin.run("approve")[0] == 1

    with steady_traffic(f"{cluster.edge_url}/log/repo/{NAME}", topic, 60) as traffic:
        wait_requests(traffic, 20)
        change(release, namespace, NAME, constraint=status_at_least(100))
        with plugin.running("watch") as watch:
            _through_the_gate(plugin)
            followed, _ = watch.communicate(timeout=120)
        assert watch.returncode == PROMOTED
        assert [
            word for word in ("waits for approval", "Paused", "Promoting", "is promoted") if word not in followed
        ] == [], followed

        change(release, namespace, NAME, constraint=status_at_least(200))
        refused = str(wait_phase(release, namespace, NAME, "Progressing")["candidate"])
        _back_and_on(plugin)
        assert rollout_of(release, namespace, NAME)["stable"] == refused
    assert traffic.failures == []

    code, history = plugin.run("history")
    say(f"history through kubectl:\n{history}")
    assert code == 0
    assert "RolledBack" in history
    assert refused[:8] in history
    change(release, namespace, NAME, kafka={"producerProfile": "no-such-profile", "topic": topic})
    assert plugin.run("status", "--wait", "--timeout", "30s")[0] == NOT_ACCEPTED


def _through_the_gate(plugin: Plugin) -> None:
    """One change: at the gate, too late for an impatient pipeline, paused, resumed, approved, promoted."""
    code, said = plugin.run("status", "--wait", "--timeout", "60s")
    assert (code, "waits for an approval" in said) == (WAITS, True), said
    assert plugin.run("status", "--wait", "--through-gates", "--timeout", "1s")[0] == TOO_LATE
    assert plugin.run("pause") == (0, "pause: Obeyed\n")
    assert plugin.run("resume") == (0, "resume: Obeyed\n")
    assert plugin.run("approve") == (0, "approve: Obeyed\n")
    code, said = plugin.run("status", "--wait", "--timeout", "90s")
    assert (code, "is promoted" in said) == (PROMOTED, True), said
    assert "EventRepo" in plugin.run("status")[1]


def _back_and_on(plugin: Plugin) -> None:
    """The next change: aborted, tried again by command, and promoted by command without its steps."""
    assert plugin.run("abort") == (0, "abort: Obeyed\n")
    assert plugin.run("status", "--wait", "--timeout", "60s")[0] == WENT_BACK
    assert plugin.run("retry") == (0, "retry: Obeyed\n")
    assert plugin.run("status", "--wait", "--timeout", "60s")[0] == WAITS
    assert plugin.run("promote") == (0, "promote: Obeyed\n")
    assert plugin.run("status", "--wait", "--timeout", "60s")[0] == PROMOTED
