"""What the audit must find and what it must not; `python -m benchmarks.audit` measures the same on a thousand songs."""

import csv
import io
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest

from benchmarks import audit as benchmark
from genre_batch.audit import notice
from genre_batch.cluster import audit as job
from genre_batch.front_end import MEL
from tests.audit.test_audit_job import run
from tests.conftest import SHARED
from tests.running import job as genre_batch

GTZAN = SHARED / "gtzan"
needs_gtzan = pytest.mark.skipif(not GTZAN.is_dir(), reason=f"needs GTZAN in {SHARED.name}, which is not here")


@pytest.mark.parametrize("front_end", [None, MEL], ids=["recordings", "shards"])
def test_rendered_songs_are_distinct_and_their_copies_are_not(front_end):
    (found,) = benchmark.found(60, 20, None, front_end, 2)
    assert (found["tracks"], found["false pairs"], found["other pairs"]) == (60, 0, 0)
    assert found["found"] >= 19


@needs_gtzan
def test_real_recordings_are_found_again():
    (found,) = benchmark.found(4, 100, GTZAN / "audio", None, 2)
    assert (found["copies"], found["false pairs"], found["other pairs"]) == (100, 0, 0)
    assert found["found"] >= 95


def test_doubled_noise_is_found_among_noise():
    tracks, moments, there, found, seconds, _ = benchmark.scale(200).split()
    assert (tracks, there, found) == ("200", "2", "2")
    assert int(moments) > 2000
    assert float(seconds) > 0


@needs_gtzan
def test_the_known_faults_of_gtzan_are_shown(ray_session: None, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    archive, shards, out = GTZAN / "logmel_u8_128x387.npz", str(tmp_path / "shards"), tmp_path / "audit"
    sources = ("--spectrograms", str(archive), "--artists", str(GTZAN / "artists.csv"))
    imported = genre_batch(capfd, "import-spectrograms", *sources, "--shards", shards)
    assert imported.code == 0, imported.err
    ended = run("--shards", shards, "--out", str(out), "--fail-on", "labels")
    assert ended.exit_code == 8, ended.output

    with np.load(archive) as published:
        equal = defaultdict(list)
        for name, levels in zip(published["name"].tolist(), published["X"], strict=True):
            equal[levels.tobytes()].append(name)
    expected = {(a, b) for names in equal.values() for i, a in enumerate(sorted(names)) for b in sorted(names)[i + 1 :]}
    assert len(expected) == 10
    rows = list(csv.DictReader(io.StringIO((out / "duplicates.csv").read_text())))
    assert {(row["track_a"], row["track_b"]) for row in rows if row["kind"] == "exact"} == expected

    figures = json.loads((out / "audit.json").read_text())
    assert ("metal.00058", "rock.00016") in {(row["track_a"], row["track_b"]) for row in figures["labels"]}
    assert "35 of 74 reggae tracks are by Bob Marley" in figures["balance"]["remarks"]
    lie = figures["nearest_neighbour"]["accuracy"]
    assert lie["random"] > lie["track"] > lie["artist"]
    assert lie["random"] - lie["artist"] > 0.2
    told = notice.findings(shards)
    assert told is not None
    assert "10 pairs" in told or f"{len(rows)} pairs" in told
    assert job.segments.open_shards(shards).tracks.num_rows == 709
