"""Widths, folds, tables and redrawing, without a terminal."""

import pytest

from headgate_operator.cli.terminal import Style, bar, clean, cut, fold, repaint, span, table, width_of

COLOUR = Style(colour=True)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (-3, "0s"), (59.9, "59s"), (192, "3m12s"), (7500, "2h05m"), (273600, "3d4h")],
)
def test_durations_have_two_units_at_most(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_what_is_cut_fits_and_lets_go_of_its_colour() -> None:
    text = COLOUR.paint("abcdef", "red")
    assert cut(text, 6) == text
    assert width_of(cut(text, 4)) == 4
    assert cut(text, 4) == "\x1b[31mabc…\x1b[0m"
    assert cut("漢字漢字", 5) == "漢字…"


def test_wide_characters_count_twice_and_marks_not_at_all() -> None:
    assert width_of("漢") == 2
    assert width_of("e\u0301") == 1
    assert width_of(COLOUR.paint("ab", "bold", "red")) == 2


def test_texts_fold_at_spaces_and_long_words_in_pieces() -> None:
    assert fold("", 30) == [""]
    assert fold("aaa bbb", 30) == ["aaa bbb"]
    lines = fold("a" * 25 + " bb " + "c" * 45, 20)
    assert all(width_of(line) <= 20 for line in lines)
    assert "".join(lines).replace(" ", "") == "a" * 25 + "bb" + "c" * 45


def test_columns_are_aligned_whatever_their_colours() -> None:
    rows = [("NAME", "N"), (COLOUR.paint("x", "red"), "10"), ("longer", "1")]
    plain = [line.replace("\x1b[31m", "").replace("\x1b[0m", "") for line in table(rows, right=frozenset({1}))]
    assert plain == ["NAME     N", "x       10", "longer   1"]


@pytest.mark.parametrize(("share", "filled"), [(0, 0), (0.001, 1), (0.1, 2), (0.5, 10), (1, 20), (1.7, 20)])
def test_a_bar_shows_what_is_not_nothing_and_never_overflows(share: float, filled: int) -> None:
    assert bar(share, Style(symbols=False)) == "#" * filled + "-" * (20 - filled)


def test_texts_of_the_cluster_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[2Jb\nc\x9b1m") == "a [2Jb c 1m"


def test_a_picture_is_drawn_over_the_last_one() -> None:
    style = Style(width=10)
    first, height = repaint(["one", "two", "three"], 0, style, rows=24)
    assert (first, height) == ("\rone\x1b[K\ntwo\x1b[K\nthree\x1b[K\n\x1b[J", 3)
    second, height = repaint(["a longer line than fits"], height, style, rows=24)
    assert (second, height) == ("\x1b[3A\ra longer…\x1b[K\n\x1b[J", 1)


def test_a_picture_never_grows_past_the_window() -> None:
    _, height = repaint([str(line) for line in range(50)], 0, Style(width=10), rows=10)
    assert height == 9
