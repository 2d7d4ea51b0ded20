"""Programs from the Go module proxy, from small locked modules of our own (images/go/NAME).

Owns flags and package lists. Downloads and the compiler's cache stay below the testbed's cache directory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.testbed import versions
from tests.testbed.artifacts import SOURCES, Artifact, key_of, sources
from tests.testbed.commands import require, run
from tests.testbed.settings import Settings

REMEDY = "install Go 1.26 or newer"


@dataclass(frozen=True)
class GoModule:
    """One of our modules, and the programs to build from what it requires: package -> file name."""

    name: str
    programs: dict[str, str]
    expected: float
    ldflags: str = ""


def _kubernetes_ldflags() -> str:
    """kubeadm and clients read these; a release build has them too."""
    version = versions.KUBERNETES
    major, minor, _ = version.removeprefix("v").split(".")
    facts = {
        "gitVersion": version,
        "gitMajor": major,
        "gitMinor": minor,
        "gitCommit": "0" * 40,
        "gitTreeState": "clean",
        "buildDate": "2026-01-01T00:00:00Z",
    }
    return " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in facts.items())


# Named by package path below k8s.io/kubernetes/cmd.
_COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubeadm",
    "kubectl",
)

KUBERNETES = GoModule(
    "kubernetes", {f"k8s.io/kubernetes/cmd/{name}": name for name in _COMMANDS}, 320, _kubernetes_ldflags()
)
# The same module for those who pull the node image and only need the client.
KUBECTL = GoModule("kubernetes", {"k8s.io/kubernetes/cmd/kubectl": "kubectl"}, 90, _kubernetes_ldflags())
ETCD = GoModule("etcd", {"go.etcd.io/etcd/server/v3": "etcd"}, 15)
COREDNS = GoModule("coredns", {"github.com/coredns/coredns": "coredns"}, 90)
ENVOY_GATEWAY = GoModule("envoygateway", {"github.com/envoyproxy/gateway/cmd/envoy-gateway": "envoy-gateway"}, 190)
HELM = GoModule("helm", {"helm.sh/helm/v3/cmd/helm": "helm"}, 70)
KIND = GoModule("kind", {"sigs.k8s.io/kind": "kind"}, 20)
PAUSE = GoModule("pause", {".": "pause"}, 3)


def artifact(module: GoModule, settings: Settings) -> Artifact:
    """The directory that will hold the module's programs."""
    programs = (word for pair in sorted(module.programs.items()) for word in pair)
    return Artifact(module.name, key_of("go", module.ldflags, *programs, *sources(f"go/{module.name}")), settings)


def build(module: GoModule, settings: Settings) -> None:
    """Compile the module's programs into its artifact."""
    go = require("go", REMEDY)
    result = artifact(module, settings)
    result.log.unlink(missing_ok=True)

    def compile_into(target: Path) -> None:
        for package, program in module.programs.items():
            run(
                [go, "build", "-mod=readonly", "-trimpath", "-ldflags", f"-s -w {module.ldflags}".strip(),
                 "-o", target / program, package],
                cwd=SOURCES / "go" / module.name, env=environment(settings), log=result.log,
            )  # fmt: skip

    result.make(compile_into)


def module_directory(name: str, module: str, settings: Settings) -> Path:
    """Where the sources of `module`, which images/go/NAME requires, lie in the module cache."""
    go = require("go", REMEDY)
    where = SOURCES / "go" / name
    run([go, "mod", "download", module], cwd=where, env=environment(settings))
    return Path(run([go, "list", "-m", "-f", "{{.Dir}}", module], cwd=where, env=environment(settings)).strip())


def environment(settings: Settings) -> dict[str, str]:
    """Go's settings: static programs, and nothing outside of our cache."""
    return {
        "CGO_ENABLED": "0",
        "GOFLAGS": "-modcacherw -buildvcs=false",
        "GOMODCACHE": str(settings.downloads / "go" / "mod"),
        "GOCACHE": str(settings.downloads / "go" / "build"),
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }
