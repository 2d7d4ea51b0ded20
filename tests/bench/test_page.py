"""The page keeps what was not measured again."""

from tests.bench.page import merge, split_sections

PAGE = "# Performance\n\nOld head.\n\n## One\n\nfirst\n\n### detail\n\n## By hand\n\nkept\n\n## Two\n\nsecond\n"


def test_a_page_is_cut_at_headings_of_the_second_level() -> None:
    head, sections = split_sections(PAGE)
    assert head == "# Performance\n\nOld head."
    assert list(sections) == ["One", "By hand", "Two"]
    assert sections["One"] == "## One\n\nfirst\n\n### detail\n"


def test_measured_sections_take_the_place_of_old_ones_and_others_stay() -> None:
    merged = merge(PAGE, "# Performance\n\nNew.", {"Two": "## Two\n\nfresh\n"}, ["Two", "One", "Not yet"])
    head, sections = split_sections(merged)
    assert head == "# Performance\n\nNew."
    assert list(sections) == ["Two", "One", "By hand"]
    assert sections["Two"] == "## Two\n\nfresh\n"
    assert sections["By hand"] == "## By hand\n\nkept\n"


def test_merging_nothing_changes_nothing_but_the_order() -> None:
    once = merge(PAGE, "# Performance", {}, ["One", "Two"])
    assert merge(once, "# Performance", {}, ["One", "Two"]) == once
