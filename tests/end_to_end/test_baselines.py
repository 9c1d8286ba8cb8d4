"""Baselines from start to end: descriptors in shards on S3, the grid, its bundle, labels; published tables; a run that is killed."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest

from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.evaluation import baselines
from genre_batch.evaluation.baselines import Cell
from genre_batch.evaluation.grid import COLUMNS
from genre_batch.front_end import MEL, Descriptors
from genre_batch.models import bundle as bundles
from genre_batch.signal.extract import extract
from genre_batch.tables import features, storage, store
from genre_batch.tables.query import query
from schemas import shards
from schemas.descriptors import NAMES
from tests.conftest import ROOT, S3, SHARED
from tests.running import Ended, job

Run = Callable[..., Ended]

GENRES = ("blues", "jazz", "rock")
SONGS = 30
needs_gtzan = pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs GTZAN's tables in {SHARED.name}, which are not here")


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: job(capfd, *arguments)


@pytest.fixture(scope="module")
def place(ray_session: None, s3: S3, small_library: Path) -> str:
    """A folder of the bucket with the small library in it."""
    root = s3.url("baselines")
    for file in small_library.rglob("*"):
        if file.is_file():
            storage.write_bytes(f"{root}/library/{file.relative_to(small_library)}", file.read_bytes())
    return root


# In order, as test_line.


def test_shards_store_descriptors_with_each_segment(run: Run, place: str) -> None:
    library = f"{place}/library/manifest.csv"
    built = run("build-shards", "--library", library, "--shards", f"{place}/shards", "--descriptors")
    assert f"{SONGS} listed = {SONGS} written" in built.out, built.err
    rows = store.read(f"{place}/shards", "shards", shards.ARROW, ["uri", "segment", "spectrogram", "descriptors"])
    first = next(row for row in rows.to_pylist() if row["segment"] == 1)
    again = extract(storage.read_bytes(first["uri"]), features.read_shards(f"{place}/shards").front_end)
    assert again.spectrograms is None, "who needs descriptors alone draws nothing"
    # Not bit by bit: BLAS adds up in another order on several threads than on a worker's one.
    np.testing.assert_allclose(again.descriptors[1], first["descriptors"], rtol=1e-6)
    assert all(len(row["descriptors"]) == len(NAMES) and row["spectrogram"] for row in rows.to_pylist())


def tune(run: Run, place: str) -> Ended:
    chosen = ("--model", "knn", "--model", "ridge", "--map", "none")
    return run("tune-baselines", "--shards", f"{place}/shards", "--out", f"{place}/tuned", *chosen)


def test_the_grid_is_told_and_the_best_becomes_a_bundle(run: Run, place: str) -> None:
    ended = tune(run, place)
    assert ended.code == 0, ended.err
    assert "protocol fault-filtered is left out" in ended.err
    assert "sound, random" in ended.out
    assert "(LEAKY" in ended.out
    text = storage.read_bytes(f"{place}/tuned/grid.csv").decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert tuple(rows[0]) == COLUMNS
    cells = [(row["protocol"], row["model"], row["map"]) for row in rows]
    assert cells == [(p, m, "none") for p in ("random", "track", "artist") for m in ("ridge", "knn")]
    assert len({row["split_digest"] for row in rows}) == 3
    stored = query(
        f"{place}/tuned", "SELECT protocol, model, segment_accuracy, n FROM trials ORDER BY protocol, model"
    ).to_pylist()
    told = sorted((row["protocol"], row["model"], round(float(row["segment_accuracy"]), 6)) for row in rows)
    assert [(row["protocol"], row["model"], round(row["segment_accuracy"], 6)) for row in stored] == told
    assert "LEAKY" in storage.read_bytes(f"{place}/tuned/grid.md").decode()
    assert storage.read_bytes(f"{place}/tuned/grid.png").startswith(b"\x89PNG")
    bundle = bundles.load(f"{place}/tuned/bundle")
    assert f"bundle {bundle.bundle_id}" in ended.out
    assert bundle.facts["provenance"]["options"]["split"] == "artist"
    assert bundle.folds is not None
    assert len(set(bundle.folds["track_id"].to_pylist())) == SONGS


def test_a_finished_grid_is_not_tried_again(run: Run, place: str) -> None:
    def outcomes() -> dict[str, object]:
        return {found.uri: found.modified_at for found in storage.walk(f"{place}/tuned/tune") if found.uri.endswith(".json")}

    before = {uri: at for uri, at in outcomes().items() if "/ray/" not in uri}
    again = tune(run, place)
    assert "6 of 6 trials are finished" in again.err
    assert {uri: at for uri, at in outcomes().items() if "/ray/" not in uri} == before
    assert len(before) == 6
    assert query(f"{place}/tuned", "SELECT count(*) AS n FROM trials").to_pylist() == [{"n": 6}]


def test_its_bundle_labels_like_any_other(run: Run, place: str) -> None:
    arguments = (
        "--library",
        f"{place}/library/manifest.csv",
        "--bundle",
        f"{place}/tuned/bundle",
        "--tables",
        f"{place}/genres",
    )
    labelled = run("label-catalog", *arguments)
    assert f"{SONGS} listed = {SONGS} labelled + 0 rejected + 0 unchanged" in labelled.out, labelled.err
    rows = query(f"{place}/genres", "SELECT best_genre, split_part(track_id, '/', 1) AS truth FROM labels").to_pylist()
    assert np.mean([row["best_genre"] == row["truth"] for row in rows]) > 0.9
    judged = run(
        *("evaluate", "--bundle", f"{place}/tuned/bundle", "--shards", f"{place}/shards", "--out", f"{place}/judged"),
        *("--include-training", "--no-stability"),
    )
    assert judged.code == 0, judged.err
    figures = json.loads(storage.read_bytes(f"{place}/judged/evaluation.json"))
    assert (figures["n_tracks"], figures["includes_training_tracks"]) == (SONGS, True)
    anew = run(
        *("evaluate", "--bundle", f"{place}/tuned/bundle", "--shards", f"{place}/shards", "--out", f"{place}/anew"),
        *("--folds", "2"),
    )
    assert (anew.code, "which --folds cannot train anew: tune-baselines cross-validates baselines" in anew.err) == (2, True)


def published(folder: Path, *, tracks: int = 10, segments: int = 3) -> Path:
    """A table as published, of three genres that are told apart with ease."""
    rng = np.random.default_rng(0)
    file = folder / "features_10_sec.csv"
    with file.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["filename", "length", *NAMES, "label"])
        for g, genre in enumerate(GENRES):
            for t in range(tracks):
                for s in range(segments):
                    writer.writerow([f"{genre}.{t:05}.{s}.wav", 220500, *rng.normal(g, 1, len(NAMES)).tolist(), genre])
    return file


def change(file: Path, line: int, column: str, value: str) -> None:
    rows = list(csv.reader(file.open()))
    rows[line - 1][rows[0].index(column)] = value
    with file.open("w", newline="") as text:
        csv.writer(text).writerows(rows)


@pytest.mark.parametrize(
    ("line", "column", "value", "said"),
    [
        (1, "mfcc3_var", "mfcc3", "no column mfcc3_var; not expected: mfcc3"),
        (7, "tempo", "fast", "line 7, column tempo: 'fast' is no number"),
        (8, "rms_mean", "inf", "line 8, column rms_mean: inf is not finite"),
        (9, "label", "polka", "line 9, column label: 'polka' is none of blues"),
        (10, "filename", "blues.00000.0.wav", "line 10, column filename: blues.00000.0.wav stands in line 2 already"),
    ],
)
def test_a_broken_table_is_refused_by_name(run: Run, tmp_path: Path, line: int, column: str, value: str, said: str) -> None:
    file = published(tmp_path)
    change(file, line, column, value)
    ended = run("tune-baselines", "--table", str(file), "--out", str(tmp_path / "out"))
    assert ended.code == 5
    assert said in ended.err
    assert str(file) in ended.err
    assert not (tmp_path / "out").exists()


def test_a_table_or_shards_and_not_both(run: Run, tmp_path: Path) -> None:
    for sources in ((), ("--table", "a.csv", "--shards", "b")):
        ended = run("tune-baselines", "--out", str(tmp_path), *sources)
        assert (ended.code, ended.err) == (2, "error: give either --table FILE or --shards URL\n")


def test_a_killed_grid_goes_on(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "jobs",
        "tune-baselines",
        "--table",
        str(published(tmp_path)),
        "--out",
        str(tmp_path / "out"),
    ]
    command += ["--protocol", "track", "--map", "none", "--map", "pca"]
    command += [word for model in ("knn", "ridge", "svm") for word in ("--model", model)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def outcomes() -> dict[Path, int]:
        return {file: file.stat().st_mtime_ns for file in tmp_path.glob("out/tune/*/sound-*.json")}

    first = start()
    until = time.monotonic() + 120
    while len(outcomes()) < 2:
        assert first.poll() is None, first.stdout and first.stdout.read()
        assert time.monotonic() < until
        time.sleep(0.02)
    for each in [psutil.Process(first.pid), *psutil.Process(first.pid).children(recursive=True)]:
        each.send_signal(signal.SIGKILL)
    first.wait(30)
    finished = outcomes()
    assert 2 <= len(finished) < 6
    assert not (tmp_path / "out" / "grid.csv").exists()

    second = start()
    said, _ = second.communicate(timeout=200)
    assert second.returncode == 0, said
    assert f"{len(finished)} of 6 trials are finished" in said
    assert outcomes() == outcomes() | finished, "a finished trial was run again"
    assert len(outcomes()) == 6
    assert len(list(csv.DictReader((tmp_path / "out" / "grid.csv").open()))) == 6


@needs_gtzan
def test_the_figures_of_gtzan_fall_with_what_may_repeat() -> None:
    table = features.read_published(str(SHARED / "gtzan" / "features_10_sec.csv"), str(SHARED / "gtzan" / "artists.csv"))
    found = {
        protocol: baselines.judge(Cell(Profile.SOUND, protocol, Model.KNN, Map.NONE), table, seed=42).figures[
            "segment_accuracy"
        ]
        for protocol in Protocol
    }
    assert found[Protocol.RANDOM] > 0.88
    assert 0.6 < found[Protocol.TRACK] < 0.72
    assert found[Protocol.ARTIST] < 0.52
    assert found[Protocol.FAULT_FILTERED] < 0.52


@needs_gtzan
def test_a_published_table_labels_the_recordings_from_s3(run: Run, place: str, tmp_path: Path) -> None:
    gtzan = SHARED / "gtzan"
    for file in (gtzan / "audio").rglob("*.flac"):
        storage.write_bytes(f"{place}/gtzan/{file.relative_to(gtzan / 'audio')}", file.read_bytes())
    tables = (
        "--table",
        str(gtzan / "features_10_sec.csv"),
        "--artists",
        str(gtzan / "artists.csv"),
        "--out",
        f"{place}/published",
    )
    tuned = run("tune-baselines", *tables, "--model", "svm", "--map", "none", "--protocol", "artist")
    assert tuned.code == 0, tuned.err
    bundle = bundles.load(f"{place}/published/bundle")
    assert bundle.front_end.segment_s == 10
    assert bundle.front_end.descriptors == Descriptors()
    assert bundle.front_end.sample_rate_hz == MEL.sample_rate_hz
    arguments = ("--library", f"{place}/gtzan", "--bundle", f"{place}/published/bundle", "--tables", f"{place}/gtzan-genres")
    labelled = run("label-catalog", *arguments)
    assert "96 listed = 96 labelled + 0 rejected + 0 unchanged" in labelled.out, labelled.err
    rows = query(f"{place}/gtzan-genres", "SELECT best_genre, split_part(track_id, '/', 1) AS truth FROM labels").to_pylist()
    # It was fitted on these very tracks' published descriptors: ours are near enough to find them again.
    assert np.mean([row["best_genre"] == row["truth"] for row in rows]) > 0.75
