"""Published segments of the seconds that a recording has, and no others."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from benchmarks import from_audio
from genre_batch.embedded import library
from genre_batch.front_end import MEL
from genre_batch.signal.alter import ALTERATIONS


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


def test_positions_are_those_of_the_recording_as_it_is(tmp_path: Path):
    song = library.songs("disco", 11.0)[0]
    (tmp_path / song.name).parent.mkdir()
    (tmp_path / song.name).write_bytes(song.data)
    from_audio._features(("a", str(tmp_path / song.name)), MEL, str(tmp_path))
    with np.load(tmp_path / "a.npz") as file:
        assert file[from_audio.POSITIONS].tolist() == [0, 1]
        assert set(file.files) == {from_audio.POSITIONS, from_audio.AS_IT_IS, *ALTERATIONS}
        assert len(file["offset_2s"]) == 1, "two seconds later there is one segment fewer"
