"""How text is laid out for a terminal or a pipe: colours, widths, tables, durations. Pure; knows nothing of rollouts."""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_CODES = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "cyan": 36}
_RESET = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class Style:
    """What the reader's end can show."""

    colour: bool = False
    width: int = 100
    """Columns; longer lines are folded or cut."""
    symbols: bool = True
    """Whether its encoding has block characters."""

    def paint(self, text: str, *looks: str) -> str:
        """The text in these looks, where colours are wanted."""
        if not (self.colour and looks and text):
            return text
        return f"\x1b[{';'.join(str(_CODES[look]) for look in looks)}m{text}{_RESET}"


def clean(text: str) -> str:
    """Without control characters: a text from the cluster must not steer the terminal."""
    return _CONTROL.sub(" ", text).strip()


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width_of(text: str) -> int:
    """Columns that a text takes; escape sequences take none."""
    return sum(_columns(character) for character in _ESCAPE.sub("", text))


def cut(text: str, width: int) -> str:
    """At most `width` columns of a text, ended by … where something is missing. Colours end with it."""
    if width_of(text) <= width:
        return text
    kept, used = list[str](), 0
    for part in re.split(f"({_ESCAPE.pattern})", text):
        if _ESCAPE.fullmatch(part):
            kept.append(part)
            continue
        for character in part:
            used += _columns(character)
            if used > width - 1:
                return "".join(kept) + "…" + (_RESET if "\x1b" in text else "")
            kept.append(character)
    return "".join(kept)


def fold(text: str, width: int) -> list[str]:
    """A plain text in lines of at most `width` columns, broken at spaces; a longer word is cut into pieces."""
    width, lines, line = max(width, 20), list[str](), ""
    for word in text.split():
        rest = word
        if line and width_of(line) + 1 + width_of(rest) <= width:
            line += f" {rest}"
            continue
        if line:
            lines.append(line)
        while len(rest) > width:
            lines.append(rest[:width])
            rest = rest[width:]
        line = rest
    return [*lines, line] if line or not lines else lines


def labelled(label: str, text: str, style: Style, *looks: str) -> list[str]:
    """`Label   text`, folded under the text."""
    first, *more = fold(clean(text), style.width - LABEL_WIDTH)
    lines = [f"{label:<{LABEL_WIDTH}}{style.paint(first, *looks)}"]
    return lines + [" " * LABEL_WIDTH + style.paint(line, *looks) for line in more]


LABEL_WIDTH = 11


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows in aligned columns, two spaces apart; those with an index in `right` are aligned right."""
    widths = [max(width_of(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []

    def pad(column: int, text: str) -> str:
        space = " " * (widths[column] - width_of(text))
        return space + text if column in right else text + space

    return ["  ".join(pad(column, text) for column, text in enumerate(row)).rstrip() for row in rows]


def bar(share: float, style: Style, size: int = 20) -> str:
    """A bar of `size` columns, filled to a share between 0 and 1. What is not nothing shows."""
    filled = min(size, max(round(share * size), 1 if share > 0 else 0))
    full, empty = ("█", "░") if style.symbols else ("#", "-")
    return style.paint(full * filled, "cyan") + style.paint(empty * (size - filled), "dim")


def span(seconds: float) -> str:
    """`42s`, `3m12s`, `2h05m`, `3d4h`."""
    whole = max(0, int(seconds))
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if days:
        return f"{days}d{hours % 24}h"
    if hours:
        return f"{hours}h{minutes % 60:02d}m"
    return f"{minutes}m{whole % 60:02d}s" if minutes else f"{whole}s"


def repaint(lines: Iterable[str], height_before: int, style: Style, rows: int) -> tuple[str, int]:
    """What to write so that these lines stand where the last picture stood, and the new picture's height.

    Each line is written over and then cleared to its end, so that nothing goes blank in between. What the terminal has
    no room for is left out: the cursor cannot go back above its top.
    """
    shown = [cut(line, max(style.width - 1, 1)) for line in lines][: max(rows - 1, 1)]
    start = f"\x1b[{height_before}A\r" if height_before else "\r"
    return start + "".join(f"{line}\x1b[K\n" for line in shown) + "\x1b[J", len(shown)
