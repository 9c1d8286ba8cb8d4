"""The labelling benchmark: both sides do the same work, and the sums that its tables are made of."""

import dataclasses
import io
from datetime import UTC, datetime
from pathlib import Path

import librosa
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile as sf

from benchmarks import catalogs, label, memory, notebook, slots, whole_job
from benchmarks.descriptors import tolerance
from benchmarks.line import Line, most_mb
from benchmarks.memory import Sample
from benchmarks.notebook import Notebook
from benchmarks.whole_job import Call, Job
from genre_batch.front_end import GTZAN_PUBLISHED, MEL, FrontEnd
from genre_batch.models import bundle as bundles
from genre_batch.signal.extract import extract
from genre_batch.tables import store
from schemas import labels
from tests import rows

# librosa.load imports them through audioread.
pytestmark = pytest.mark.filterwarnings("ignore:'(aifc|audioop|sunau)' is deprecated:DeprecationWarning")


@pytest.fixture(scope="module")
def song() -> bytes:
    return catalogs.recordings(1, 11.0)[0]


@pytest.fixture(scope="module")
def compact(tmp_path_factory: pytest.TempPathFactory) -> str:
    return catalogs.untrained("compact", MEL, tmp_path_factory.mktemp("bundle") / "compact")


@pytest.mark.parametrize("front_end", [MEL, GTZAN_PUBLISHED], ids=lambda each: each.name)
def test_both_sides_see_the_same_pictures(song: bytes, front_end: FrontEnd):
    ours = extract(song, front_end)
    levels, described = notebook.features(samples(song), front_end)
    assert described is None
    # Ours are rounded to whole levels.
    assert np.abs(levels - ours.spectrograms).max() < 0.51


def test_both_sides_subtract_the_same_noise(song: bytes):
    front_end = dataclasses.replace(catalogs.EVERYTHING, descriptors=None)
    ours = extract(song, front_end).spectrograms
    levels, _ = notebook.features(samples(song), front_end)
    plain = extract(song, MEL).spectrograms
    # Frames begin a hop earlier in ours, which the smoothing remembers for a while: not in the second segment.
    assert np.abs(levels[1] - ours[1]).max() < 0.51
    assert np.abs(plain[1].astype(float) - ours[1]).mean() > 10


def test_both_sides_describe_alike(song: bytes):
    front_end = dataclasses.replace(catalogs.EVERYTHING, denoise=None)
    ours = extract(song, front_end).descriptors
    _, described = notebook.features(samples(song), front_end)
    assert described.shape == ours.shape == (2, 57)
    # librosa resamples the whole recording at once, which may move a rounding; tests of the descriptors compare equal samples.
    assert (np.abs(described - ours) <= 10 * tolerance(ours)).all()


def test_both_sides_give_the_same_label(song: bytes, compact: str, tmp_path: Path):
    tracks = catalogs.tracks(catalogs.write(tmp_path / "library", [song], "mp3", 2))
    Line(compact, str(tmp_path / "tables"))(tracks)
    Notebook(bundles.load(compact), tmp_path / "theirs.parquet")([track["uri"] for track in tracks])
    ours = pa.concat_tables(pq.read_table(part) for part in sorted((tmp_path / "tables" / "labels").glob("*.parquet")))
    theirs = pq.read_table(tmp_path / "theirs.parquet")
    assert ours["genre"].to_pylist() == theirs["genre"].to_pylist()
    assert ours["confidence"].to_numpy() == pytest.approx(theirs["confidence"].to_numpy(), abs=2e-3)
    assert ours["duration_s"].to_pylist() == pytest.approx(theirs["duration_s"].to_pylist())


def test_a_line_does_not_time_what_was_refused(compact: str, tmp_path: Path):
    tracks = catalogs.tracks(catalogs.write(tmp_path / "library", [b"a letter"], "mp3", 1))
    with pytest.raises(AssertionError, match="undecodable"):
        Line(compact, str(tmp_path / "tables"))(tracks)


def test_many_tracks_take_the_disk_of_few(tmp_path: Path):
    library = Path(catalogs.write(tmp_path / "library", [b"a", b"b"], "ogg", 5))
    files = sorted(library.iterdir())
    assert [file.read_bytes() for file in files] == [b"a", b"b", b"a", b"b", b"a"]
    assert len({file.stat().st_ino for file in files}) == 2
    assert [track["track_id"] for track in catalogs.tracks(str(library))] == [f"{i:06}.ogg" for i in range(5)]


def test_a_long_recording_is_as_long_as_it_says(song: bytes):
    data = catalogs.hours(song, 60)
    assert sf.info(io.BytesIO(data)).duration >= 60
    found = extract(data, MEL)
    assert 60 <= found.duration_s < 60 + 11.5
    assert len(found.positions) == int(found.duration_s // MEL.segment_s)


def test_a_call_begins_with_its_first_track():
    assert Call.of([101.0, 102.0, 103.0]) == Call(100.0, 103.0, 3)
    assert Call.of([101.0]) == Call(101.0, 101.0, 1)


def test_calls_fall_into_lanes():
    first, second, third, fourth = Call(0, 4, 1), Call(0.5, 3, 1), Call(3.5, 6, 1), Call(4.5, 5, 1)
    assert whole_job.lanes([fourth, third, second, first], 2) == [[first, fourth], [second, third]]
    assert whole_job.lanes([first], 2) == [[first]]


def test_where_the_time_goes_by_hand():
    # Two slots, 10 s: calls of 4 + 4 and 8 s minus 1 s late, a gap of 1 s, then 1 s of waiting, and 1 s of the last commit.
    calls = [Call(10, 14, 4), Call(15, 18, 4), Call(11, 19, 8)]
    job = a_job(calls, finished=20)
    shares = whole_job.where(job, lines_per_s=2.0)
    assert sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == pytest.approx([0.8, (15 - 16) / 20, 1 / 20, 1 / 20, 1 / 20, 2 / 20])
    assert shares["work, at the lines' speed"] == pytest.approx(job.tracks / job.seconds / 2.0)


def test_a_slot_that_did_nothing_was_waiting():
    shares = whole_job.where(a_job([Call(10, 20, 16)], finished=20), lines_per_s=3.2)
    assert shares["waiting for the last call"] == pytest.approx(0.5)
    assert shares["work, at the lines' speed"] == pytest.approx(0.5)
    assert shares["the same work, slower than in a line"] == pytest.approx(0)


def test_calls_are_read_from_the_parts_of_the_table(tmp_path: Path):
    tables = str(tmp_path / "tables")
    times = {"b": [1030.0], "a": [1001.0, 1003.0]}
    parts = []
    for name, seconds in times.items():
        found = [rows.label(f"{name}{i}", labelled_at=datetime.fromtimestamp(at, UTC)) for i, at in enumerate(seconds)]
        parts.append(store.write_part(tables, labels, rows.table(labels, *found)))
    store.commit(tables, labels, parts, replaced=[], run_id="run1")
    assert whole_job.calls(tables) == [Call(999.0, 1003.0, 2), Call(1030.0, 1030.0, 1)]


def test_lines_run_together_in_processes_of_their_own(compact: str, tmp_path: Path):
    library = catalogs.write(tmp_path / "library", catalogs.short(1), "ogg", 5)
    found = whole_job.lines(library, compact, tmp_path / "lines", 2)
    assert [each["tracks"] for each in found] == [3, 2]
    assert [each["audio_s"] for each in found] == pytest.approx([6, 4], abs=0.1)
    # A process of its own, which holds neither torch nor what this one holds.
    assert all(50 < each["most_mb"] < most_mb() for each in found)


def test_each_line_counts_by_its_own_clock():
    assert whole_job.rate([{"tracks": 10, "seconds": 5}, {"tracks": 10, "seconds": 2}]) == 7


def test_cost_by_hand():
    # A core that does 1,000 s of audio a second is 240,000 s at a million songs of 240 s.
    assert slots.core_hours(1000) == pytest.approx(240_000 / 3600)
    job = dataclasses.replace(a_job([Call(10, 20, 16)], finished=20), slots=4, audio_s=20_000.0)
    found = slots.row(job, price=0.06, one=0.8, machine=2)
    assert found["cores"] == 2
    assert found["audio s a s"] == pytest.approx(2000)
    assert found["USD a million"] == pytest.approx(4.0)
    assert found["times one slot"] == pytest.approx(2.0)


def test_memory_is_that_of_the_moment():
    samples = [Sample(1.0, 100.0), Sample(2.0, 300.0), Sample(3.0, 200.0)]
    assert memory.held_after(samples, 2.2) == 300
    assert memory.held_after(samples, 99) == 200


def test_a_busy_machine_is_told():
    assert label.machine(2, 0.1) == "2 cores, load 0.1 when this began."
    assert "Other work ran beside" in label.machine(2, 1.5)


def test_tables_are_markdown():
    table = [{"work": "labels only", "times": 2.2345, "tracks": 1000}, {"work": "everything", "times": 11.0, "tracks": 4}]
    assert label.as_markdown(table).splitlines() == [
        "| work | times | tracks |",
        "| --- | --: | --: |",
        "| labels only | 2.23 | 1000 |",
        "| everything | 11 | 4 |",
    ]


def samples(song: bytes) -> np.ndarray:
    return librosa.load(io.BytesIO(song), sr=MEL.sample_rate_hz)[0]


def a_job(calls: list[Call], finished: float) -> Job:
    tracks = sum(call.tracks for call in calls)
    return Job(
        asked=0, started=5, finished=finished, returned=finished + 1, tracks=tracks, audio_s=30.0 * tracks, slots=2, calls=calls
    )
