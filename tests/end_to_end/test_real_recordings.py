"""The line on real recordings, where they are: GTZAN, a small catalog, and files made to break decoders."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.running import Ended, job

Run = Callable[..., Ended]

pytestmark = pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the real recordings in {SHARED.name}, which are not here")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: job(capfd, *arguments)


@pytest.fixture(scope="module")
def place(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("real")


# In order, as test_line.


def test_gtzan_becomes_a_bundle(run: Run, place: Path) -> None:
    library, shards, bundle = str(SHARED / "gtzan" / "audio"), str(place / "shards"), str(place / "bundle")
    assert "96 recordings" in run("inventory", "--library", library).out
    built = run("build-shards", "--library", library, "--shards", shards, "--artists", str(SHARED / "gtzan" / "artists.csv"))
    assert "96 listed = 96 written + 0 rejected" in built.out

    by_artist = run("train-network", "--shards", shards, "--bundle", bundle)
    assert by_artist.code == 2
    assert "genre 'blues' has 1 different artist; 5 are needed" in by_artist.err

    trained = run("train-network", "--shards", shards, "--bundle", bundle, "--split", "track", "--epochs", "1")
    assert trained.code == 0, trained.err
    assert "these figures flatter it" in (place / "bundle" / "MODEL_CARD.md").read_text()
    judged = run("evaluate", "--bundle", bundle, "--shards", shards, "--out", str(place / "evaluation"), "--leave-out")
    assert judged.code == 0, judged.err
    assert 0 < json.loads((place / "evaluation" / "evaluation.json").read_text())["n_tracks"] < 25


def test_a_small_catalog_is_labelled(run: Run, place: Path) -> None:
    tables = str(place / "catalog")
    arguments = ("--library", str(SHARED / "catalog"), "--bundle", str(place / "bundle"), "--tables", tables)
    ended = run("label-catalog", *arguments)
    assert "8 listed = 7 labelled + 1 rejected" in ended.out, ended.err
    rows = [
        json.loads(line)
        for line in run("query", "--tables", tables, "SELECT * FROM labels", "--format", "json").out.splitlines()
    ]
    assert all(1 <= row["segments_used"] <= row["duration_s"] / 5 for row in rows)
    refused = run("query", "--tables", tables, "SELECT track_id, reason FROM rejects", "--format", "csv").out
    assert refused.splitlines()[1:] == ["effacestudios-cc0/LICENSE,undecodable"]


def test_every_hostile_file_is_labelled_or_refused_with_a_reason(run: Run, place: Path) -> None:
    tables, robust = str(place / "robust"), SHARED / "robust"
    with (robust / "manifest.csv").open() as text:
        known = {row["path"]: row for row in csv.DictReader(text)}
    manifest = place / "hostile.csv"
    with manifest.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerows([["uri", "track_id"], *([str(robust / path), path] for path in known)])
    ended = run(
        "label-catalog",
        "--library",
        str(manifest),
        "--bundle",
        str(place / "bundle"),
        "--tables",
        tables,
        "--max-reject-fraction",
        "1",
    )
    assert ended.code == 0, ended.err
    found = {}
    for sql in ("SELECT track_id, 'labelled' AS found FROM labels", "SELECT track_id, reason AS found FROM rejects"):
        answer = run("query", "--tables", tables, sql, "--format", "json").out
        found |= {row["track_id"]: row["found"] for row in map(json.loads, answer.splitlines())}
    assert found.keys() == known.keys()
    decoded = {"labelled", "too_short", "silent"}
    for path, row in known.items():
        if row["libsndfile"] == "audio" or float(row["ffmpeg_seconds"]) > 0:
            assert found[path] in decoded, path
    nothing_there = [path for path, row in known.items() if row["bytes"] == "0"]
    assert {found[path] for path in nothing_there} == {"empty"}
    assert sum(reason == "labelled" for reason in found.values()) > 50


def test_a_tree_of_hostile_files_is_listed(run: Run) -> None:
    ended = run("inventory", "--library", str(SHARED / "robust"), "--layout", "tree")
    assert "240 recordings" in ended.out
    assert "2 other objects" in ended.out  # a GIF and manifest.csv
