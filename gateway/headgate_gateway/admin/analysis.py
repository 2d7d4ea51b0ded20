"""The page `/analysis`: what the revisions of some repos, or of all, have counted. Reads, decides nothing."""

import asyncio
from collections.abc import Collection
from urllib.parse import parse_qs

import msgspec

from headgate_gateway.config.analysis import AnalysisReport
from headgate_gateway.http.analysis import AnalysisCounters, RepoName

REPOS_PER_TURN = 8
"""Repos that are read before requests get the event loop: some tenths of a millisecond."""


def repos_asked(query: str) -> tuple[RepoName, ...] | None:
    """The repos that a query names, each once; None: it names none, so all are meant.

    One without a slash is a repo that nobody serves, and so is not in the answer.
    """
    values = parse_qs(query, keep_blank_values=True).get("repo")
    if values is None:
        return None
    parts = (value.partition("/") for value in dict.fromkeys(values))
    return tuple((namespace, name) for namespace, _, name in parts)


async def encode_report(
    counters: AnalysisCounters, report: AnalysisReport, wanted: Collection[RepoName] | None
) -> bytes:
    """The report as JSON, with the samples of the wanted repos, each read in one go.

    In pieces, and not in a thread: building and encoding the contract's types holds the interpreter wherever it runs.
    """
    parts: list[msgspec.Raw] = []
    for number, name in enumerate(counters.names() if wanted is None else wanted, start=1):
        parts += [msgspec.Raw(s.model_dump_json(by_alias=True).encode()) for s in counters.samples(name)]
        if not number % REPOS_PER_TURN:
            await asyncio.sleep(0)
    head = report.model_dump(mode="json", by_alias=True, exclude={"repos"})
    return msgspec.json.encode({**head, "repos": parts})
