"""Descriptors of a published table stand with the segments they describe."""

from pathlib import Path

import numpy as np
import pytest

from genre_batch.errors import ContractViolated, Missing, UsageError
from genre_batch.tables import described, spectrograms
from schemas.descriptors import NAMES

ROWS = {"rock.00001.1": 1, "rock.00001.0": 2, "blues.00002.0": 3, "rock.00001.2": 4}


def write(folder: Path, rows: dict[str, float] | None = None, length: int = 220_500) -> str:
    """Descriptor i of a row is the row's number and i thousandths."""
    lines = [",".join(["filename", "length", *NAMES, "label"])]
    for name, place in (ROWS if rows is None else rows).items():
        values = [f"{place + 0.001 * i:.3f}" for i in range(len(NAMES))]
        lines.append(",".join([f"{name}.wav", str(length), *values, name.split(".")[0]]))
    (folder / "features.csv").write_text("\n".join(lines) + "\n")
    return str(folder / "features.csv")


def ten_seconds() -> spectrograms.FrontEnd:
    return spectrograms.front_end(10, 10, described=True)


def test_descriptors_are_found_by_track_and_segment(tmp_path: Path):
    found = described.read(write(tmp_path), ten_seconds())
    values = found.of("rock.00001", np.array([0, 2], np.int32))
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, [[place + 0.001 * i for i in range(57)] for place in (2, 4)], atol=1e-9)
    np.testing.assert_array_equal(found.of("rock/rock.00001", [1]), found.of("rock.00001", [1]))


def test_a_segment_that_is_not_there(tmp_path: Path):
    found = described.read(write(tmp_path), ten_seconds())
    with pytest.raises(Missing, match=r"^segment 1 of blues\.00002 is not in .*features\.csv$"):
        found.of("blues.00002", [0, 1])
    with pytest.raises(Missing, match=r"^segment 0 of pop\.00003 is not in "):
        found.of("pop.00003", [0])


def test_a_version_is_that_of_the_track_alone(tmp_path: Path):
    tracks = ("rock.00001", "blues.00002", "pop.00003")
    first = described.read(write(tmp_path), ten_seconds())
    before = [first.version(track) for track in tracks]
    assert len(set(before)) == 3
    assert first.version("rock/rock.00001") == before[0]
    for changed in (ROWS | {"blues.00002.0": 3.5}, ROWS | {"blues.00002.1": 5}):
        other = described.read(write(tmp_path, changed), ten_seconds())
        assert [other.version(track) == version for track, version in zip(tracks, before, strict=True)] == [True, False, True]
    moved = {name: place for name, place in ROWS.items() if name != "blues.00002.0"} | {"blues.00002.1": 3}
    assert described.read(write(tmp_path, moved), ten_seconds()).version("blues.00002") != before[1]


def test_other_segments_are_refused(tmp_path: Path):
    url = write(tmp_path)
    with pytest.raises(UsageError, match=r"describes segments of 10 s, not 15 s: give --segment-s 10, or another table$"):
        described.read(url, spectrograms.front_end(15, 15, described=True))
    with pytest.raises(UsageError, match=r"leave out --segment-hop-s, or --descriptors, with segments of 10 s every 5 s$"):
        described.read(url, spectrograms.front_end(10, 5, described=True))
    assert described.read(write(tmp_path, length=66_150), spectrograms.front_end(3, 3)).table.front_end.segment_s == 3
    with pytest.raises(ContractViolated, match="no rows"):
        described.read(write(tmp_path, {}), ten_seconds())
