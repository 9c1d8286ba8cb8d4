"""Published segments of the seconds that a recording has, and no others."""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import from_audio
from genre_batch.embedded import library
from genre_batch.front_end import MEL
from genre_batch.models import join
from genre_batch.models.bundle import Member
from genre_batch.signal.alter import ALTERATIONS
from tests.sample_bundle import sample


def published(*segments: int) -> pa.Table:
    n = len(segments)
    return pa.table(
        {
            "track_id": ["a"] * n,
            "segment": pa.array(segments, pa.int32()),
            "spectrogram": [bytes([segment]) for segment in segments],
        }
    )


@pytest.mark.parametrize(
    ("there", "positions", "expected"),
    [
        ((0, 1, 2, 3), (0, 1), (0, 1)),
        ((0, 1, 2), (0, 1, 2), (0, 1, 2)),
        ((0, 2, 3), (0, 1, 2), (0, 2)),
        ((1, 2), (0,), ()),
        ((0, 1), (), ()),
    ],
)
def test_segments_that_both_have(there: tuple[int, ...], positions: tuple[int, ...], expected: tuple[int, ...]):
    found = from_audio.at(published(*there), np.array(positions, np.int32))
    assert found["segment"].to_pylist() == list(expected)
    assert found["spectrogram"].to_pylist() == [bytes([segment]) for segment in expected]


def test_a_bundle_whose_networks_do_not_count_the_same_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The networks trained anew are joined by their mean."""
    pair, members = join.mean(2, 2), [Member("compact", ("spectrograms",), {"model.onnx": b"network"})] * 3
    sample(members=members, join=pair.over([pair, None])).write(str(tmp_path / "bundle"))
    asked = ["from_audio", "--shards", str(tmp_path), "--recordings", str(tmp_path), "--bundle", str(tmp_path / "bundle")]
    monkeypatch.setattr(sys, "argv", asked)
    with pytest.raises(
        SystemExit, match="bundle weighs its networks, and here each counts the same: take a bundle joined by the"
    ):
        from_audio.main()


def test_positions_are_those_of_the_recording_as_it_is(tmp_path: Path):
    song = library.songs("disco", 11.0)[0]
    (tmp_path / song.name).parent.mkdir()
    (tmp_path / song.name).write_bytes(song.data)
    from_audio._features(("a", str(tmp_path / song.name)), MEL, str(tmp_path))
    with np.load(tmp_path / "a.npz") as file:
        assert file[from_audio.POSITIONS].tolist() == [0, 1]
        assert set(file.files) == {from_audio.POSITIONS, from_audio.AS_IT_IS, *ALTERATIONS}
        assert len(file["offset_2s"]) == 1, "two seconds later there is one segment fewer"
