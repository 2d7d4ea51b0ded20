"""Keys, publication of build results, order of builds, settings and state."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.testbed import versions
from tests.testbed.artifacts import SOURCES, Artifact, key_of
from tests.testbed.builds import golang
from tests.testbed.debian import choose_mirror
from tests.testbed.errors import TestbedError
from tests.testbed.graph import Task, order_by_length, ready, run_tasks
from tests.testbed.progress import Silent
from tests.testbed.settings import ImagesMode, Settings
from tests.testbed.state import State


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    chosen = Settings(tmp_path / "cache")
    chosen.prepare()
    return chosen


def test_a_key_depends_on_where_parts_end() -> None:
    assert key_of("ab", "c") != key_of("a", "bc")
    assert key_of("ab", "c") == key_of(b"ab", "c")


def test_a_failed_build_publishes_nothing_and_the_next_attempt_starts_afresh(settings: Settings) -> None:
    artifact = Artifact("thing", "0" * 12, settings)

    def fail(target: Path) -> None:
        (target / "half").touch()
        raise TestbedError("no")

    with pytest.raises(TestbedError):
        artifact.make(fail)
    assert not artifact.exists()
    artifact.make(lambda target: (target / "whole").touch())
    assert [path.name for path in artifact.path.iterdir()] == ["whole"]


def test_two_results_of_a_name_stay_and_no_other_name_is_touched(settings: Settings) -> None:
    for age, (name, key) in enumerate([("thing", "a"), ("thing-two", "a"), ("thing", "b"), ("thing", "c")]):
        artifact = Artifact(name, key * 12, settings)
        artifact.make(lambda target: (target / "file").touch())
        os.utime(artifact.path, (age, age))
    found = sorted(path.name.rstrip("abc") + path.name[-1] for path in settings.artifacts.iterdir())
    assert found == ["thing-b", "thing-c", "thing-two-a"]


@pytest.mark.parametrize(
    ("module", "required", "version"),
    [
        ("kubernetes", "k8s.io/kubernetes", versions.KUBERNETES),
        ("etcd", "go.etcd.io/etcd/server/v3", versions.ETCD),
        ("coredns", "github.com/coredns/coredns", versions.COREDNS),
        ("envoygateway", "github.com/envoyproxy/gateway", versions.ENVOY_GATEWAY),
        ("helm", "helm.sh/helm/v3", versions.HELM),
        ("kind", "sigs.k8s.io/kind", versions.KIND),
    ],
)
def test_go_modules_require_the_versions_of_one_place(module: str, required: str, version: str) -> None:
    lines = (SOURCES / "go" / module / "go.mod").read_text().split("\n")
    assert any(line.removeprefix("require ").strip() == f"{required} {version}" for line in lines)


def test_maven_resolves_the_version_of_the_same_place() -> None:
    assert (SOURCES / "kafka" / "pom.xml").read_text().count(f"<version>{versions.KAFKA}</version>") == 2


def test_kubernetes_programs_know_their_version() -> None:
    flags = golang.KUBERNETES.ldflags
    assert f"version.gitVersion={versions.KUBERNETES}" in flags
    assert "version.gitMajor=1" in flags
    assert "version.gitMinor=34" in flags


def task(name: str, run: Callable[[], None], *needs: str, done: bool = False, expected: float = 0) -> Task:
    return Task(name, run, lambda: done, needs, expected)


def test_tasks_run_after_what_they_need_and_never_again() -> None:
    ran: list[str] = []
    tasks = [
        task("last", lambda: ran.append("last"), "middle"),
        task("middle", lambda: ran.append("middle"), "first"),
        task("first", lambda: ran.append("first")),
        task("old", lambda: ran.append("old"), done=True),
    ]
    run_tasks(tasks, Silent())
    assert ran == ["first", "middle", "last"]


def test_tasks_without_mutual_dependency_run_side_by_side() -> None:
    meeting = threading.Barrier(2, timeout=5)

    def meet() -> None:
        meeting.wait()

    run_tasks([task("a", meet), task("b", meet)], Silent())


def test_a_failure_stops_what_has_not_begun() -> None:
    ran: list[str] = []

    def fail() -> None:
        raise TestbedError("broken")

    with pytest.raises(TestbedError, match="broken"):
        run_tasks([task("a", fail), task("b", lambda: ran.append("b"), "a")], Silent())
    assert ran == []


def test_tasks_in_a_circle_are_named() -> None:
    with pytest.raises(TestbedError, match="circle"):
        run_tasks([task("a", lambda: None, "b"), task("b", lambda: None, "a")], Silent())


def test_the_longest_task_starts_first() -> None:
    tasks = order_by_length([task("short", lambda: None, expected=1), task("long", lambda: None, expected=9)])
    assert [each.name for each in ready(tasks, set(), 1)] == ["long"]


def test_settings_come_from_the_environment_and_the_flag_wins() -> None:
    env = {"HOME": "/home/x", "HEADGATE_TESTBED_IMAGES": "pull"}
    assert Settings.read(env).images is ImagesMode.PULL
    assert Settings.read(env, images="build").images is ImagesMode.BUILD
    assert Settings.read(env).cache == Path("/home/x/.cache/headgate-testbed")


def test_an_unknown_images_mode_is_refused_in_one_line() -> None:
    with pytest.raises(TestbedError, match="use auto, pull or build"):
        Settings.read({"HEADGATE_TESTBED_IMAGES": "fetch"})


def test_state_keeps_what_is_put_and_forgets_none(tmp_path: Path) -> None:
    state = State(tmp_path / "state.json")
    state.put("a", {"b": 1})
    state.put("c", 2)
    state.put("c", None)
    state.put("never-there", None)
    assert State(tmp_path / "state.json").read() == {"a": {"b": 1}}


def test_the_mirror_is_plain_debian_of_this_release() -> None:
    targets = [
        ["Google", "Packages", "https://packages.example/apt", "x"],
        ["Debian", "Packages", "http://deb.example/debian-security/", "bookworm-security"],
        ["Debian", "DEP-11", "http://deb.example/other/", "bookworm"],
        ["Debian", "Packages", "http://deb.example/debian/", "bookworm"],
    ]
    assert choose_mirror(targets) == "http://deb.example/debian"


def test_no_mirror_is_an_error_with_a_remedy() -> None:
    with pytest.raises(TestbedError, match="HEADGATE_TESTBED_IMAGES=pull"):
        choose_mirror([])
