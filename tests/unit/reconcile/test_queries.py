"""What Prometheus is asked about rollouts under way, and how long its answers count."""

from collections.abc import Mapping

from headgate_operator.api.rollout import Analysis, MetricQuery, Rollout
from headgate_operator.reconcile.queries import NO_SERVER, QueryBoard
from headgate_operator.rollout.model import Marks, Phase, QueryResult, RolloutState

REPO = ("team", "orders")
POLICY = Rollout(
    analysis=Analysis(
        queries=(MetricQuery(name="lag", query='lag{repo="{{ repo }}",r="{{ revision }}"}[{{ window }}]', max="5"),)
    )
)


def under_way(began: float = 100.0, candidate: str = "bbbb") -> RolloutState:
    return RolloutState(phase=Phase.PROGRESSING, stable="aaaa", candidate=candidate, marks=Marks(at=began))


class Server:
    def __init__(self) -> None:
        self.now = 130.0
        self.asked: list[str] = []
        self.board = QueryBoard(self.poll, lambda: self.now)

    async def poll(
        self, texts: Mapping[tuple[tuple[str, str], str], str]
    ) -> dict[tuple[tuple[str, str], str], QueryResult]:
        self.asked += texts.values()
        return {key: QueryResult(3.0) for key in texts}


async def test_a_wish_is_asked_over_the_step_under_way_and_its_answer_is_there_at_the_next_look() -> None:
    server = Server()
    assert server.board.read(REPO, POLICY, under_way(), server.now) == {}
    await server.board.ask()
    assert server.asked == ['lag{repo="orders",r="bbbb"}[30s]']
    assert server.board.read(REPO, POLICY, under_way(), server.now) == {"lag": QueryResult(3.0)}


async def test_an_answer_about_another_revision_or_step_counts_for_nothing() -> None:
    server = Server()
    server.board.read(REPO, POLICY, under_way(), server.now)
    await server.board.ask()
    assert server.board.read(REPO, POLICY, under_way(candidate="cccc"), server.now) == {}
    await server.board.ask()
    assert server.board.read(REPO, POLICY, under_way(began=120.0, candidate="cccc"), server.now) == {}


async def test_an_old_answer_counts_no_more_and_what_nobody_wants_is_not_asked() -> None:
    server = Server()
    server.board.read(REPO, POLICY, under_way(), server.now)
    await server.board.ask()
    server.now += 20
    assert server.board.read(REPO, POLICY, under_way(), server.now) == {}
    server.now += 20
    server.asked.clear()
    await server.board.ask()
    assert server.asked == []


async def test_without_a_server_the_query_says_what_to_set() -> None:
    board = QueryBoard(None, lambda: 0.0)
    assert board.read(REPO, POLICY, under_way(), 0.0) == {"lag": QueryResult(None, NO_SERVER)}


async def test_without_queries_nothing_is_asked() -> None:
    server = Server()
    assert server.board.read(REPO, Rollout(), under_way(), server.now) == {}
    await server.board.ask()
    assert server.asked == []
