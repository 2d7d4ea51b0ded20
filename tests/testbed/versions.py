"""Versions of all that the testbed builds or pulls, in one place.

Go versions stand in images/go/*/go.mod as well; a unit test holds the two together.
"""

from __future__ import annotations

from typing import Final

KUBERNETES: Final = "v1.34.4"
ETCD: Final = "v3.6.5"
COREDNS: Final = "v1.14.7"
ENVOY_GATEWAY: Final = "v1.9.1"
# The Envoy that this Envoy Gateway names as its default; its API must not be older than the controller's.
ENVOY: Final = "1.39.1"
HELM: Final = "v3.21.4"
KIND: Final = "v0.33.0"
KAFKA: Final = "4.1.1"

# systemd from 256 on refuses cgroup v1, so nodes stay on bookworm (252).
NODE_SUITE: Final = "bookworm"
# Python 3.13, like python:3.13-slim, for which it stands in.
PYTHON_SUITE: Final = "trixie"

# Pulled instead, where a registry of images answers. kind asks for the digest of the node image.
PULL_NODE: Final = "kindest/node:v1.34.11@sha256:44e222ee2132dab25ff87301682f89eb82c7880ea3a1bf543bfe9708fd08d67d"
PULL_ENVOY: Final = f"envoyproxy/envoy:distroless-v{ENVOY}"
PULL_ENVOY_GATEWAY: Final = f"envoyproxy/gateway:{ENVOY_GATEWAY}"
PULL_KAFKA: Final = f"apache/kafka:{KAFKA}"
PULL_PYTHON: Final = "python:3.13-slim"
