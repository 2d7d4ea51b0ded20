"""A fleet whose gateways share a claim, and what they say of each other's spools. Tests of such fleets use it."""

import json
from typing import Any

from tests.unit.reconcile.fleetbed import fleet, profile, repo
from tests.unit.reconcile.spoolbed import CLAIMED, SpoolBed

GRANTS = ("ConfigMap", "events", "main-spool-grants")
SHARED = {"mode": "SharedClaim", "claimName": "all", "size": "1Gi"}


class SharedBed(SpoolBed):
    """A fleet whose gateways share a claim."""

    def uid(self, name: str) -> str:
        found: str = self.cluster.objects["Pod", "events", name]["metadata"]["uid"]
        return found

    def gateway(self, name: str, **spool: Any) -> None:
        self.pod(name, "ReplicaSet", **spool)
        self.say(name, **{"owner": self.uid(name)} | spool)

    def fail(self, name: str) -> None:
        """Its pod is evicted: the object stays."""
        self.cluster.put(
            {"kind": "Pod", "metadata": {"namespace": "events", "name": name}, "status": {"phase": "Failed"}}
        )

    def leave(self) -> None:
        """Its spec asks for another mode."""
        self.cluster.objects["GatewayFleet", "events", "main"]["spec"]["spool"].pop("claimName")
        self.put(fleet(spool=CLAIMED))

    @property
    def left(self) -> dict[str, tuple[int, int]]:
        """By reason: directories that nobody delivers, and their bytes."""
        return {each["reason"]: (each["count"], each["bytes"]) for each in self.spool["leftDirectories"]}

    @property
    def grants(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.cluster.objects[GRANTS]["data"]["spool-grants.json"])
        return found


async def shared() -> SharedBed:
    bed = SharedBed()
    bed.put(fleet(spool=SHARED), profile(), repo("access"))
    await bed.reconcile()
    bed.gateway("main-x")
    await bed.reconcile()
    return bed
