"""A stand-in for a gateway where only its `/status` matters: a Pod object without a kubelet, and the answer on loopback.

The kubelet's and the gateway's own parts are tested end to end; here the operator's side is, against the real API server.
"""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.integration.operator.world import World

from headgate_gateway.config import content_hash, shard_file_name
from headgate_gateway.config.status import GatewayStatus, RefusedRepo, credentials_hash
from headgate_operator.api.names import ANNOTATION_CONFIG_HASH, PORT_ADMIN, shard_name


class StandInGateway:
    """Reports what it was last told to load."""

    def __init__(self, world: World, name: str, address: str, fleet: str = "main") -> None:
        self.world, self.name, self.address, self.fleet = world, name, address, fleet
        self._answer = b""
        self._server = ThreadingHTTPServer((address, PORT_ADMIN), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def load(self, *refused: RefusedRepo) -> None:
        """Report the shards and credentials as they are live now."""
        shards: dict[str, str] = {}
        for index in range(32):
            live = self.world.get("configmap", shard_name(self.fleet, index))
            assert live is not None
            shards[f"{index:02d}"] = content_hash(live["data"][shard_file_name(index)].encode())
        status = GatewayStatus(
            version="test",
            contract_versions=(1,),
            shards=shards,
            credentials_hash=credentials_hash({}),
            refused=refused,
            ready=True,
        )
        self._answer = status.model_dump_json(by_alias=True).encode()

    def start_pod(self) -> None:
        labels = {"headgate.dev/fleet": self.fleet, "headgate.dev/component": "gateway", "headgate.dev/track": "stable"}
        self.world.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": self.name, "namespace": self.world.namespace, "labels": labels},
                "spec": {
                    "schedulingGates": [{"name": "headgate.dev/stand-in"}],
                    "containers": [{"name": "gateway", "image": "example.invalid/none"}],
                },
            }
        )
        status: dict[str, Any] = {
            "phase": "Running",
            "podIP": self.address,
            "podIPs": [{"ip": self.address}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }
        self.world.patch("pod", self.name, {"status": status}, "--subresource=status")

    def nudged(self) -> str:
        """The annotation that makes kubelets refresh."""
        pod = self.world.get("pod", self.name)
        return str(((pod or {})["metadata"].get("annotations") or {}).get(ANNOTATION_CONFIG_HASH, ""))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200 if gateway._answer else 503)
                self.send_header("Content-Length", str(len(gateway._answer)))
                self.end_headers()
                self.wfile.write(gateway._answer)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
