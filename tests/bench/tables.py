"""Markdown tables of rounds. Pure: rounds in, text out."""

from collections.abc import Callable, Mapping, Sequence

from tests.bench import runs
from tests.bench.runs import BUSY_ENOUGH, Round

IDLE_MARK = "†"
IDLE_NOTE = (
    f"\n{IDLE_MARK} Does not count: in no round were all measured cores {BUSY_ENOUGH:.0%} busy with their server's work, "
    "so it was not the server that set this figure.\n"
)
CPU_NOTE = (
    "\nFor information only, and never what a bar is measured by: of pairs so marked, one server's records for a second of "
    "its own CPU time by the other's.\n\n"
)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], text_columns: int = 1) -> str:
    """A Markdown table; all but the first columns are figures."""
    marks = ["---"] * text_columns + ["---:"] * (len(head) - text_columns)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, marks, *rows)) + "\n"


def closed_loop_table(series: Mapping[int, list[Round]], what: str, unit: str, names: Sequence[str]) -> str:
    """A row for each contender at each size; the first name is compared with each other."""
    rows = [_closed_row(size, made, name, names[0]) for size, made in series.items() for name in names]
    head = [what, "server", unit, "ratio", "p50", "p99", "p99 ratio", "µs CPU each", "core", "rounds", "MiB"]
    return table(head, rows, text_columns=2) + idle_note(series, what, names[0])


def idle_mark(made: Sequence[Round], *names: str) -> str:
    """Beside a figure of these contenders, where the core of one of them was not what set it."""
    return f" {IDLE_MARK}" if any(not each[name].counts for each in made for name in names) else ""


def idle_note(series: Mapping[int, list[Round]], what: str, ours: str) -> str:
    """What the mark means, and what CPU time says of pairs that have it. Nothing where none has."""
    if not any(idle_mark(made, *made[0]) for made in series.values()):
        return ""
    pairs = [
        f"- {size:,} {what}, {ours} by {name}: {runs.ratio(made, ours, name, lambda run: run.per_cpu_second):.2f} ×"
        for size, made in series.items()
        for name in made[0]
        if name != ours and idle_mark(made, ours, name)
    ]
    return IDLE_NOTE + CPU_NOTE + "\n".join(pairs) + "\n"


def bar(what: str, wanted: str, measured: str) -> str:
    """One thing that is asked of a section, and what it gave. Whoever reads compares."""
    return f"- {what}: bar: {wanted}, measured: {measured}"


def bars(lines: Sequence[str]) -> str:
    """Below a table."""
    return "What is asked, and what was measured:\n\n" + "\n".join(lines) + "\n"


def _closed_row(size: int, made: list[Round], name: str, ours: str) -> list[str]:
    def middle(value: Callable[[runs.Run], float]) -> float:
        return runs.median(made, name, value)

    def against(value: Callable[[runs.Run], float]) -> str:
        return "" if name == ours else f"{runs.ratio(made, ours, name, value):.2f} ×"

    busy = middle(lambda run: run.report.busy)
    return [
        f"{size:,}",
        name,
        f"{middle(lambda run: run.rate):,.0f}{idle_mark(made, name)}",
        against(lambda run: run.rate),
        f"{middle(lambda run: run.report.p50_ms):.1f} ms",
        f"{middle(lambda run: run.report.p99_ms):.1f} ms",
        against(lambda run: run.report.p99_ms),
        f"{middle(lambda run: run.micros):.1f}",
        f"{busy:.0%}",
        str(len(made)),
        f"{middle(lambda run: run.resident_mib):.0f}",
    ]


def open_loop_table(made: list[Round], names: Sequence[str]) -> str:
    """p50 and p99 under the same load; the ratio is the first name's p99 by the others'."""
    rows = []
    for name in names:
        p50, p99, busy = (
            runs.median(made, name, lambda run: run.report.p50_ms),
            runs.median(made, name, lambda run: run.report.p99_ms),
            runs.median(made, name, lambda run: run.report.busy),
        )
        against = "" if name == names[0] else f"{runs.ratio(made, names[0], name, lambda run: run.report.p99_ms):.2f} ×"
        rate = runs.median(made, name, lambda run: run.rate)
        rows.append([name, f"{rate:,.0f}", f"{p50:.1f} ms", f"{p99:.1f} ms", against, f"{busy:.0%}"])
    return table(["server", "records/s", "p50", "p99", "p99 ratio", "core"], rows)


def curve(title: str, x_name: str, y_name: str, points: Sequence[tuple[int, float]]) -> str:
    """A line chart in Mermaid's language, which Git hosts draw."""
    xs = ", ".join(f'"{x:,}"' for x, _ in points)
    ys = ", ".join(f"{y:.1f}" for _, y in points)
    highest = max(y for _, y in points) * 1.1
    return (
        f'```mermaid\nxychart-beta\n    title "{title}"\n    x-axis "{x_name}" [{xs}]\n'
        f'    y-axis "{y_name}" 0 --> {highest:.0f}\n    line [{ys}]\n```\n'
    )
