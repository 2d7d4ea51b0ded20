import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate_gateway.config.executors import Decoder
from headgate_gateway.pipeline.executors.formats.table import compile_csv, compile_tsv

ABC = ("a", "b", "c")


def read_csv(text: str, columns: tuple[str, ...] = ABC, separator: str | None = None) -> Any:
    return compile_csv(Decoder.model_validate({"format": "CSV", "columns": columns, "separator": separator}))(text)


def read_tsv(text: str, columns: tuple[str, ...] = ABC) -> Any:
    return compile_tsv(Decoder.model_validate({"format": "TSV", "columns": columns}))(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        pytest.param("1,2,3", ("1", "2", "3"), id="plain"),
        pytest.param(",,", ("", "", ""), id="empty values"),
        pytest.param(" 1, 2 ,3", (" 1", " 2 ", "3"), id="spaces are part of a value"),
        pytest.param('"1","2","3"', ("1", "2", "3"), id="quoted"),
        pytest.param('"a, b",2,""', ("a, b", "2", ""), id="a separator in quotes"),
        pytest.param('"say ""no""","""",3', ('say "no"', '"', "3"), id="quotes in quotes"),
        pytest.param('"two\r\nlines",2,3', ("two\r\nlines", "2", "3"), id="a line end in quotes"),
        pytest.param("é,😀,3", ("é", "😀", "3"), id="other alphabets"),
    ],
)
def test_csv_values(text: str, values: tuple[str, ...]) -> None:
    assert read_csv(text) == dict(zip(ABC, values, strict=True))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1,2", "it has 2 values, and there are 3 columns"),
        ("1,2,3,4", "it has 4 values, and there are 3 columns"),
        ('"1",2,3,4', "it has more values, and there are 3 columns"),
        ('"1",2', "it has 2 values, and there are 3 columns"),
        ('"1"x,2,3', "at character 4 a value goes on where it should have ended"),
        ('1",2,3', "at character 2 a value goes on where it should have ended"),
        ('"1,2,3', "at character 1 a value goes on where it should have ended"),
        ("1,2,3\n4,5,6", "at character 6 a value goes on where it should have ended"),
        ("", "it has 1 values, and there are 3 columns"),
    ],
)
def test_what_is_no_csv_of_three_columns(text: str, why: str) -> None:
    assert read_csv(text) == why


def test_an_empty_column_leaves_its_value_out() -> None:
    assert read_csv('1,"2",3', ("a", "", "c")) == {"a": "1", "c": "3"}
    assert read_tsv("1\t2\t3", ("", "b", "")) == {"b": "2"}


@pytest.mark.parametrize("separator", [";", "|", "]", "\\", "^", "-", " "])
def test_any_separator(separator: str) -> None:
    text = separator.join(["1", f'"x{separator}"', "3,"])
    assert read_csv(text, separator=separator) == {"a": "1", "b": f"x{separator}", "c": "3,"}


def test_tsv_has_no_quotes() -> None:
    assert read_tsv('"1\t2"\t') == {"a": '"1', "b": '2"', "c": ""}
    assert read_tsv("1\t2") == "it has 2 values, and there are 3 columns"
    assert read_tsv("1\t2\t3\n") == "it has more than one line"


@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6), min_size=1, max_size=5
    )
)
def test_what_pythons_csv_writes_is_read_back(values: list[str]) -> None:
    written = io.StringIO()
    all_or_few: Any = csv.QUOTE_ALL if len(values) % 2 else csv.QUOTE_MINIMAL
    csv.writer(written, lineterminator="\r\n", quoting=all_or_few).writerow(values)
    columns = tuple(f"c{index}" for index in range(len(values)))
    assert read_csv(written.getvalue().removesuffix("\r\n"), columns) == dict(zip(columns, values, strict=True))
