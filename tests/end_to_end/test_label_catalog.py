"""What people ask of label-catalog night after night, through the command line, with the bundle that ships."""

import io
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from genre_batch.embedded.genres import RECIPES
from genre_batch.embedded.instruments import RATE_HZ
from genre_batch.embedded.song import Manner, render
from genre_batch.tables import storage
from genre_batch.tables.query import query
from schemas.runs import CONFIDENCE_EDGES
from tests.conftest import S3
from tests.running import Ended, job

SONGS = 40
SONG_S = 12.0
"""Two segments of the bundle that ships."""

Run = Callable[..., Ended]


def encoded(genre: str, seed: int, seconds: float = SONG_S, gain: float = 1.0) -> bytes:
    song = render(genre, Manner.of(np.random.default_rng(seed)), np.random.default_rng((seed, 1)), seconds)
    buffer = io.BytesIO()
    sf.write(buffer, gain * song, RATE_HZ, format="OGG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def songs() -> list[bytes]:
    return [encoded(list(RECIPES)[n % len(RECIPES)], n) for n in range(10)]


class Night:
    """A catalog on disk and its tables."""

    def __init__(self, folder: Path, capfd: pytest.CaptureFixture[str], songs: list[bytes]) -> None:
        self.library, self.tables, self.capfd = folder / "library", str(folder / "tables"), capfd
        for n in range(SONGS):
            self.put(f"{n:02}.ogg", songs[n % len(songs)])

    def put(self, name: str, data: bytes) -> None:
        storage.write_bytes(str(self.library / name), data)

    def run(self, *options: str, library: str | None = None) -> Ended:
        where = ("--library", library or str(self.library), "--tables", self.tables)
        return job(self.capfd, "label-catalog", *where, *options)

    def ask(self, sql: str) -> list[dict[str, Any]]:
        return query(self.tables, sql).to_pylist()

    def last(self, columns: str) -> tuple[Any, ...]:
        (row,) = self.ask(f"SELECT {columns} FROM runs ORDER BY started_at DESC LIMIT 1")
        return tuple(row.values())


@pytest.fixture
def night(ray_session: None, tmp_path: Path, capfd: pytest.CaptureFixture[str], songs: list[bytes]) -> Night:
    return Night(tmp_path, capfd, songs)


def test_only_what_is_new_changed_or_gone(night: Night, songs: list[bytes]) -> None:
    night.put("bad.ogg", b"no recording")
    first = night.run()
    assert first.code == 0, first.err
    assert f"{SONGS + 1} listed = {SONGS} labelled + 1 rejected + 0 unchanged" in first.out
    night.put("new.ogg", songs[0])
    night.put("00.ogg", songs[5])
    (night.library / "01.ogg").unlink()
    second = night.run()
    assert f"{SONGS + 1} listed = 2 labelled + 0 rejected + {SONGS - 1} unchanged; 1 are gone from the library" in second.out
    assert night.ask("SELECT track_id FROM labels WHERE deleted_at IS NOT NULL") == [{"track_id": "01.ogg"}]
    run_ids = [row["run_id"] for row in night.ask("SELECT run_id FROM runs ORDER BY started_at")]
    done = f"SELECT track_id FROM labels WHERE run_id = '{run_ids[1]}' ORDER BY track_id"
    assert night.ask(done) == [{"track_id": "00.ogg"}, {"track_id": "new.ogg"}]
    third = night.run()
    assert f"{SONGS + 1} listed = 0 labelled + 0 rejected + {SONGS + 1} unchanged;" in third.out
    assert "gone" not in third.out


def test_a_library_that_is_empty_all_of_a_sudden(night: Night) -> None:
    assert night.run().code == 0
    for song in night.library.iterdir():
        song.unlink()
    ended = night.run()
    assert (ended.code, "is it mounted?" in ended.err) == (2, True)
    assert night.ask("SELECT count(*) AS n FROM labels WHERE deleted_at IS NULL") == [{"n": SONGS}]


def test_what_is_asked_for_again(night: Night) -> None:
    night.put("bad.ogg", b"no recording")
    night.run()
    n = night.ask("SELECT count(*) AS n FROM labels WHERE genre = 'unknown'")[0]["n"]
    assert 0 < n < SONGS
    unknown = night.run("--relabel", "genre = 'unknown'")
    assert f"= {n} labelled + 0 rejected + {SONGS + 1 - n} unchanged" in unknown.out
    rejected = night.run("--relabel", "rejected")
    assert f"= 0 labelled + 1 rejected + {SONGS} unchanged" in rejected.out
    wrong = night.run("--relabel", "gender = 'unknown'")
    assert wrong.code == 2
    assert "gender" in wrong.err
    assert night.ask("SELECT count(*) AS rows, count(DISTINCT track_id) AS tracks FROM labels") == [
        {"rows": SONGS, "tracks": SONGS}
    ]


def test_a_night_that_is_too_short_and_the_next(night: Night) -> None:
    short = night.run("--max-minutes", "0.00001")
    assert short.code == 75
    assert f"{SONGS} listed = 0 labelled + 0 rejected + 0 unchanged + {SONGS} remaining" in short.out
    assert f"{SONGS} tracks remain" in short.err
    assert night.last("state, remaining") == ("stopped", SONGS)
    assert night.run("--max-minutes", "30").code == 0
    assert night.last("state, remaining, done") == ("finished", 0, SONGS)


def test_the_timeline_of_a_track(night: Night) -> None:
    night.put("long.ogg", encoded("metal", 99, seconds=23.0))
    assert night.run("--segments").code == 0
    timeline = night.ask(
        "SELECT segment, start_s, best_genre, confidence FROM segments WHERE track_id = 'long.ogg' ORDER BY segment"
    )
    assert [(row["segment"], row["start_s"]) for row in timeline] == [(n, 2.5 * n) for n in range(6)]
    (used,) = night.ask("SELECT segments_used FROM labels WHERE track_id = 'long.ogg'")
    assert used["segments_used"] == 6
    # Done again, a track's old segments go.
    night.put("long.ogg", encoded("metal", 99, seconds=15.5))
    assert night.run("--segments").code == 0
    assert len(night.ask("SELECT segment FROM segments WHERE track_id = 'long.ogg'")) == 3


def test_what_a_run_found_and_how_it_drifts(night: Night) -> None:
    assert night.run().code == 0
    genres, confidence, duration, _ = night.last("genres, confidence, duration, loudness")
    assert sum(dict(genres).values()) == SONGS
    assert (sum(confidence), len(confidence)) == (SONGS, len(CONFIDENCE_EDGES) + 1)
    assert duration[0] == SONGS  # all below 15 s
    again = night.run("--relabel", "all", "--fail-on-drift")
    assert again.code == 0
    assert "nothing moved against the previous run" in again.out
    assert night.last("drift_level") == ("stable",)
    quieter = [encoded(list(RECIPES)[n % len(RECIPES)], n, gain=0.05) for n in range(10)]
    for n in range(SONGS):
        night.put(f"{n:02}.ogg", quieter[n % 10])
    moved = night.run("--fail-on-drift")
    assert moved.code == 7
    assert "loudness" in moved.err
    assert night.last("state, drift_level") == ("finished", "alarm")
    assert dict(night.last("drift")[0])["loudness, previous run"] > 0.25


def test_limits_are_reasons(night: Night) -> None:
    night.put("long.ogg", encoded("metal", 99, seconds=23.0))
    ended = night.run("--max-mb", "0.2", "--max-audio-hours", "0.005")
    assert ended.code == 0, ended.err
    size = (night.library / "long.ogg").stat().st_size
    reason = "too_large" if size > 200_000 else "too_long"
    assert night.ask("SELECT track_id, reason FROM rejects") == [{"track_id": "long.ogg", "reason": reason}]


def test_too_many_rejects_publish_nothing(night: Night) -> None:
    for n in range(10):
        night.put(f"bad {n}.ogg", b"no recording")
    ended = night.run()
    assert ended.code == 4
    assert "10 undecodable" in ended.err or "undecodable" in ended.err
    assert not (Path(night.tables) / "labels" / "_delta_log").exists()


@pytest.fixture
def time_zone() -> Iterator[Callable[[str], None]]:
    def change(zone: str) -> None:
        os.environ["TZ"] = zone
        time.tzset()

    before = os.environ.get("TZ")
    yield change
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


def test_another_time_zone_changes_nothing(night: Night, time_zone: Callable[[str], None]) -> None:
    time_zone("America/New_York")
    assert night.run().code == 0
    time_zone("Asia/Tokyo")
    assert f"= 0 labelled + 0 rejected + {SONGS} unchanged" in night.run().out
    first, second = night.ask("SELECT started_at FROM runs ORDER BY run_id")
    assert 0 < (second["started_at"] - first["started_at"]).total_seconds() < 600


def test_an_object_that_vanishes_after_it_was_listed(night: Night, s3: S3) -> None:
    library = s3.url("vanishing", "library")
    for n in range(4):
        storage.write_bytes(f"{library}/{n}.ogg", (night.library / f"0{n}.ogg").read_bytes())
    listing = str(night.library.parent / "listing.parquet")
    assert job(night.capfd, "inventory", "--library", library, "--layout", "tree", "--out", listing).code == 0
    storage.remove(f"{library}/2.ogg")
    ended = night.run(library=listing)
    assert ended.code == 0, ended.err
    assert "4 listed = 3 labelled + 1 rejected" in ended.out
    assert night.ask("SELECT track_id, reason FROM rejects") == [{"track_id": "2.ogg", "reason": "missing"}]


def test_lines_for_machines(night: Night) -> None:
    where = ("--library", str(night.library), "--tables", night.tables)
    ended = job(night.capfd, "--log-format", "json", "label-catalog", *where)
    assert ended.code == 0
    lines = [json.loads(line) for line in ended.err.splitlines() if line.startswith("{")]
    (planned,) = [line for line in lines if "todo" in line]
    (run_id,) = night.last("run_id")
    assert (planned["todo"], planned["job"], planned["run_id"], planned["level"]) == (SONGS, "label-catalog", run_id, "info")
