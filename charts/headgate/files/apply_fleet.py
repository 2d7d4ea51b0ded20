"""Applies the default fleet, server-side. Run by the chart's post-install and post-upgrade hook.

Standard library only, since it runs in whatever image the operator runs in. Waits while the API server does not know
the kind yet (a CRD takes a moment to be established); reports a refusal in the API server's own words.
"""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PATIENCE_SECONDS = 120.0
REFUSALS = (400, 409, 413, 422)
"""Answers that waiting does not mend: the fleet itself is wrong. (403 and 404 pass once RBAC and CRD are known.)"""


class RefusedError(Exception):
    """The API server does not take this fleet."""


def fleet_url(fleet: dict[str, Any], server: str) -> str:
    """Where the fleet is applied. Conflicts are forced: what the values say, the chart sets."""
    metadata = fleet["metadata"]
    path = f"apis/{fleet['apiVersion']}/namespaces/{metadata['namespace']}/gatewayfleets/{metadata['name']}"
    return f"{server}/{path}?fieldManager=headgate-chart&force=true&fieldValidation=Strict"


def apply_once(fleet: dict[str, Any], server: str, token: str, trust: ssl.SSLContext | None) -> None:
    """One attempt. Raises RefusedError for what waiting cannot mend, OSError for what it may."""
    request = urllib.request.Request(  # noqa: S310 (the address is the API server's own)
        fleet_url(fleet, server),
        data=json.dumps(fleet).encode(),
        method="PATCH",
        headers={"Content-Type": "application/apply-patch+yaml", "Authorization": f"Bearer {token}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=10, context=trust) as answer:  # noqa: S310
            answer.read()
    except urllib.error.HTTPError as error:
        message = reason_of(error)
        if error.code in REFUSALS:
            raise RefusedError(message) from error
        raise OSError(message) from error


def reason_of(error: urllib.error.HTTPError) -> str:
    """The API server's explanation."""
    body = error.read().decode(errors="replace")
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}: {body[:500]}"


def apply_patiently(fleet: dict[str, Any], server: str, token: str, trust: ssl.SSLContext | None) -> None:
    """Try until it works or PATIENCE_SECONDS are over; then the last OSError goes on."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return apply_once(fleet, server, token, trust)
        except OSError as error:
            if time.monotonic() > deadline:
                raise
            print(f"not yet: {error}", flush=True)  # noqa: T201
        time.sleep(1)


def main() -> int:
    """Apply the manifest named on the command line."""
    fleet = json.loads(Path(sys.argv[1]).read_text())
    host = os.environ["KUBERNETES_SERVICE_HOST"]
    host = f"[{host}]" if ":" in host else host
    server = f"https://{host}:{os.environ['KUBERNETES_SERVICE_PORT']}"
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    try:
        apply_patiently(fleet, server, (ACCOUNT / "token").read_text().strip(), trust)
    except (RefusedError, OSError) as error:
        message = f"the default fleet was not applied: {error}"
        print(message, file=sys.stderr)  # noqa: T201
        Path("/dev/termination-log").write_text(message)
        return 1
    print(f"applied {fleet['metadata']['namespace']}/{fleet['metadata']['name']}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
