"""docs/performance.md as sections under headings of the second level. Pure: text in, text out.

A run replaces the sections that it has measured; the others stay as they are, with the date that stands in each.
"""

from collections.abc import Mapping, Sequence

HEADING = "## "


def split_sections(text: str) -> tuple[str, dict[str, str]]:
    """(what comes before the first section, title -> section with its heading)."""
    head, *parts = ("\n" + text).split(f"\n{HEADING}")
    return head.strip("\n"), {part.partition("\n")[0].strip(): f"{HEADING}{part.strip()}\n" for part in parts}


def merge(text: str, head: str, fresh: Mapping[str, str], order: Sequence[str]) -> str:
    """The page with `fresh` sections in place of those of the same title; `order` first, others after as they were."""
    _, known = split_sections(text)
    merged = {**known, **fresh}
    titles = [title for title in order if title in merged] + [title for title in known if title not in order]
    return "\n".join([head.strip("\n") + "\n", *(merged[title] for title in titles)])
