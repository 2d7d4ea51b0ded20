"""Good files, and `headgate validate` run over what a test makes of them."""

import io
from pathlib import Path

from headgate_operator.cli.commands import Request, run_validate

FLEET = """\
apiVersion: headgate.dev/v1alpha1
kind: GatewayFleet
metadata: {name: default, namespace: gateways}
spec:
  image: gateway:1
  allowedRepos: {namespaces: {from: All}}
---
"""

PROFILE = """\
apiVersion: headgate.dev/v1alpha1
kind: KafkaProducerProfile
metadata: {name: main, namespace: gateways}
spec:
  bootstrapServers: ["kafka:9092"]
  allowedTopics: [access]
---
"""

REPO = """\
apiVersion: headgate.dev/v1alpha1
kind: EventRepo
metadata:
  name: access
  namespace: team
spec:
  kafka:
    producerProfile: main
    topic: access
"""

GOOD = FLEET + PROFILE + REPO


def validate(tmp_path: Path, text: str, namespace: str = "default") -> tuple[int, list[str]]:
    """Exit code and lines, paths shortened to file names."""
    file = tmp_path / "file.yaml"
    file.write_text(text)
    out, err = io.StringIO(), io.StringIO()
    code = run_validate(Request([str(file)], namespace, None, None), out, err)
    return code, (err.getvalue() + out.getvalue()).replace(f"{tmp_path}/", "").splitlines()
