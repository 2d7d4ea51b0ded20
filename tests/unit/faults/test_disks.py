"""Damage is done to one segment, in bits or at its end."""

from pathlib import Path
from random import Random

import pytest
from tests.faults.disks import flip_bits, truncate

CONTENT = bytes(range(256))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    (tmp_path / "log").mkdir()
    for name in ("a.seg", "b.seg"):
        (tmp_path / "log" / name).write_bytes(CONTENT)
    (tmp_path / "log" / "c.seg").touch()
    return tmp_path


def segments(spool: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted(spool.glob("log/*.seg"))]


@pytest.mark.parametrize("seed", range(10))
def test_a_few_bits_of_one_segment_change(spool: Path, seed: int) -> None:
    flip_bits(spool, Random(seed))
    [changed] = [each for each in segments(spool) if each not in (CONTENT, b"")]
    assert len(changed) == len(CONTENT)
    assert 1 <= sum(one != other for one, other in zip(changed, CONTENT, strict=True)) <= 3


@pytest.mark.parametrize("seed", range(10))
def test_one_segment_loses_its_end(spool: Path, seed: int) -> None:
    truncate(spool, Random(seed))
    lengths = sorted(map(len, segments(spool)))
    assert lengths[0] == 0
    assert lengths[1] < lengths[2] == len(CONTENT)
    assert all(CONTENT.startswith(each) for each in segments(spool))


def test_nothing_is_damaged_where_there_is_nothing(tmp_path: Path) -> None:
    flip_bits(tmp_path, Random(1))
    truncate(tmp_path, Random(1))
