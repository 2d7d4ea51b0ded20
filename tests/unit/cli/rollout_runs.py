"""How tests run `headgate rollout`, and hear what it says."""

import io
from pathlib import Path

from tests.unit.cli.api_server import REPOS, StandInApiServer
from tests.unit.cli.views import CANDIDATE, rollout

from headgate_operator.cli.main import main
from headgate_operator.cli.rollout_cluster import Target, open_target
from headgate_operator.cli.rollout_run import Terminal

ACCESS = f"{REPOS}/namespaces/web/eventrepos/access"
KEPT = {"headgate.dev/repo": "access", "headgate.dev/repo-namespace": "web"}
PROMOTED_STATUS = rollout("Stable", stable=CANDIDATE)


class Heard:
    """A terminal that is none, and what was written to it."""

    def __init__(self, live: bool = False) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.terminal = Terminal(self.out, self.err, colour=False, live=live, poll=0.02, patience=0.1)


async def at(kubeconfig: Path) -> Target:
    return await open_target(str(kubeconfig), None, None, "access", {})


def run(*arguments: str) -> int:
    return main(["rollout", *arguments])


def answering(api: StandInApiServer, result: str) -> None:
    def answer(command: str) -> None:
        verb, _, _, token = command.split()
        given = {"token": token, "verb": verb, "result": result}
        api.objects[ACCESS]["status"]["rollout"]["command"] = given

    api.obey = answer
