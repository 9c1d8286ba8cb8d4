"""The whole line, on disk and on a real S3 server: inventory, shards, training, evaluation, labels, query."""

import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs

from genre_batch.cluster import segments
from genre_batch.models import bundle as bundles
from genre_batch.models import export, scorer
from genre_batch.models.calibrate import pool, probabilities
from genre_batch.signal.extract import extract
from genre_batch.tables import delta, storage
from genre_batch.tables import s3 as s3_client
from tests.conftest import S3, polars_options
from tests.running import job

REASONS = {
    "broken/empty.mp3": "empty",
    "broken/no samples.wav": "empty",
    "broken/not a number.au": "not_finite",
    "broken/not music.mp3": "undecodable",
    "broken/silent.flac": "silent",
    "broken/too short.wav": "too_short",
}
SONGS = 30


@dataclass(frozen=True)
class Place:
    """Where one run of the line keeps everything."""

    root: str

    def __getattr__(self, name: str) -> str:
        return storage.join(self.root, name)

    def put(self, name: str, data: bytes) -> None:
        storage.write_bytes(storage.join(self.library, name), data)

    def remove(self, name: str) -> None:
        storage.remove(storage.join(self.library, name))

    def version(self, table: str) -> int:
        opened = delta.open_table(self.tables, table)
        assert opened is not None
        return int(opened.version())


@pytest.fixture(scope="module")
def place(s3: S3, ray_session: None, small_library: Path) -> Place:
    """The small library in a store, with nothing made of it yet; `make demo` is the same on a disk."""
    place = Place(s3.url("line"))
    for file in small_library.rglob("*"):
        if file.is_file():
            place.put(str(file.relative_to(small_library)), file.read_bytes())
    return place


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]):
    return lambda *arguments: job(capfd, *arguments)


# The tests of this module run in order: each takes up where the one before stopped, as a person would.


def test_inventory_counts_recordings_and_the_rest(run, place: Place) -> None:
    ended = run("inventory", "--library", place.library, "--out", place.listing + ".parquet")
    assert ended.code == 0
    assert f"{SONGS + len(REASONS)} recordings" in ended.out
    assert "3 other objects" in ended.out  # cover.jpg, README.txt, manifest.csv
    assert "disco: 10" in ended.out
    listing = pq.read_table(pa.BufferReader(storage.read_bytes(place.listing + ".parquet")))
    assert listing.num_rows == SONGS + len(REASONS)
    assert all(listing["etag"].to_pylist())


def test_shards_are_built_once(run, place: Place) -> None:
    arguments = ("build-shards", "--library", place.library + "/manifest.csv", "--shards", place.shards)
    first = run(*arguments)
    assert first.code == 0, first.err
    assert f"{SONGS} listed = {SONGS} written + 0 rejected + 0 unchanged" in first.out
    version = delta.open_table(place.shards, "shards").version()
    second = run(*arguments)
    assert f"{SONGS} listed = 0 written + 0 rejected + {SONGS} unchanged" in second.out
    assert delta.open_table(place.shards, "shards").version() == version


def test_shards_keep_their_front_end(run, place: Place) -> None:
    other = run(
        "build-shards", "--library", place.library + "/manifest.csv", "--shards", place.shards, "--front-end", "seed-3s"
    )
    assert other.code == 2
    assert "were built with front end 'mel'" in other.err


def train(run, place: Place):
    options = ("--batch-size", "4", "--epochs", "8")
    return run("train-network", "--shards", place.shards, "--bundle", place.bundle, *options)


def test_training_makes_a_bundle_that_onnx_and_torch_read_alike(run, place: Place) -> None:
    ended = train(run, place)
    assert ended.code == 0, ended.err
    bundle = bundles.load(place.bundle)
    assert f"bundle {bundle.bundle_id}" in ended.out
    assert bundle.taxonomy.genres == ("classical", "disco", "metal")
    parts = bundle.split.group_by("artist").aggregate([("part", "count_distinct")])
    assert set(parts["part_count_distinct"].to_pylist()) == {1}
    spectrograms = np.random.default_rng(0).integers(0, 256, (70, *bundle.front_end.spectrogram_shape), dtype=np.uint8)
    onnx, torch = scorer.of(bundle, "cpu"), export.TorchScorer(bundle, 0, "cpu")
    np.testing.assert_allclose(onnx(spectrograms), torch(spectrograms), atol=1e-4)
    events = storage.walk(place.root + "/bundle-training")
    assert any("/tensorboard/events" in found.uri for found in events)


def test_a_finished_training_is_not_repeated(run, place: Place) -> None:
    def checkpoints() -> set[str]:
        return {found.uri for found in storage.walk(place.root + "/bundle-training") if "/tensorboard/events" in found.uri}

    before, bundle_id = checkpoints(), bundles.load(place.bundle).bundle_id
    again = train(run, place)
    assert again.code == 0
    assert "after 8 epochs" in again.out
    assert "was finished before" in again.err
    assert checkpoints() == before
    assert bundles.load(place.bundle).bundle_id == bundle_id, "a catalog would be labelled anew"


def test_evaluation_leaves_out_what_was_trained_on(run, place: Place) -> None:
    arguments = ("evaluate", "--bundle", place.bundle, "--shards", place.shards, "--out", place.evaluation)
    refused = run(*arguments)
    assert (refused.code, f"24 of the {SONGS} tracks" in refused.err) == (2, True)
    ended = run(*arguments, "--leave-out")
    assert ended.code == 0, ended.err
    figures = json.loads(storage.read_bytes(place.evaluation + "/evaluation.json"))
    assert figures["n_tracks"] == 6
    assert figures["tracks_left_out"] == SONGS - 6
    assert figures == figures | bundles.load(place.bundle).facts["metrics"]["test"]
    assert {found["n"] for found in figures["stability"].values()} == {6}
    assert storage.read_bytes(place.evaluation + "/confusion.png").startswith(b"\x89PNG")
    assert storage.read_bytes(place.evaluation + "/evaluation.md").startswith(b"# Evaluation of compact")


def test_one_front_end_for_shards_and_labels(place: Place) -> None:
    """Bit for bit: what training saw is what labelling sees of the same bytes."""
    bundle = bundles.load(place.bundle)
    shards = segments.open_shards(place.shards)
    assert bundle.front_end == shards.front_end
    stored = pl.read_delta(place.shards + "/shards", storage_options=polars_options(place.root)).sort("track_id", "segment")
    for name in ("disco/Ada Nord - Song 1", "metal/Bo Süd - Song 2"):
        track = stored.filter(pl.col("track_id").str.starts_with(name))
        assert len(track) == 2
        features = extract(storage.read_bytes(track["uri"][0]), bundle.front_end)
        assert [picture.tobytes() for picture in features.spectrograms] == track["spectrogram"].to_list()


def test_too_many_rejects_publish_nothing(run, place: Place) -> None:
    ended = run("label-catalog", "--library", place.library, "--bundle", place.bundle, "--tables", place.tables)
    assert ended.code == 4
    assert "6 of 36 tracks were rejected" in ended.err
    assert delta.open_table(place.tables, "labels") is None
    assert delta.open_table(place.tables, "runs") is None


def label(run, place: Place):
    arguments = ("--library", place.library, "--bundle", place.bundle, "--tables", place.tables, "--max-reject-fraction", "0.2")
    return run("label-catalog", *arguments)


def test_every_track_is_labelled_or_rejected_with_its_reason(run, place: Place) -> None:
    ended = label(run, place)
    assert ended.code == 0, ended.err
    assert "36 listed = 30 labelled + 6 rejected + 0 unchanged; 3 objects are no audio" in ended.out
    rejects = ask(run, place, "SELECT track_id, reason FROM rejects")
    assert {row["track_id"]: row["reason"] for row in rejects} == REASONS
    labels = ask(run, place, "SELECT * FROM labels")
    assert len({row["track_id"] for row in labels}) == SONGS
    right = [row["track_id"].split("/")[0] == row["best_genre"] for row in labels]
    assert sum(right) >= 24  # chance is ten


def test_a_label_is_what_its_bundle_says(run, place: Place) -> None:
    bundle = bundles.load(place.bundle)
    row = ask(run, place, "SELECT * FROM labels WHERE track_id LIKE 'metal/%' ORDER BY track_id LIMIT 1")[0]
    logits = export.TorchScorer(bundle, 0, "cpu")(extract(storage.read_bytes(row["uri"]), bundle.front_end).spectrograms)
    shares = probabilities(pool(logits, np.zeros(len(logits), np.int64)), bundle.calibration.temperature)[0]
    assert row["probabilities"] == pytest.approx(dict(zip(bundle.taxonomy.genres, shares, strict=True)), abs=1e-4)
    assert row["confidence"] == pytest.approx(max(shares), abs=1e-4)
    assert row["genre"] == ("unknown" if row["confidence"] < bundle.calibration.unknown_below else row["best_genre"])
    assert (row["bundle_id"], row["front_end"]) == (bundle.bundle_id, bundle.front_end.digest)


def test_running_twice_changes_nothing(run, place: Place) -> None:
    before = place.version("labels"), place.version("rejects")
    ended = label(run, place)
    assert "36 listed = 0 labelled + 0 rejected + 36 unchanged" in ended.out
    assert (place.version("labels"), place.version("rejects")) == before


def test_new_and_changed_recordings_are_done_and_no_others(run, place: Place, small_library: Path) -> None:
    disco = next((small_library / "disco").glob("*Song 1.wav")).read_bytes()
    place.put("new/Ω späte Lieder.wav", disco)
    place.put("broken/silent.flac", disco)  # a reject that becomes a label
    broken = next((small_library / "metal").glob("*Song 1.flac"))
    place.put(f"metal/{broken.name}", b"no longer music")  # a label that becomes a reject
    ended = label(run, place)
    assert "37 listed = 2 labelled + 1 rejected + 34 unchanged" in ended.out
    rows = ask(run, place, "SELECT track_id, 'label' AS found FROM labels UNION ALL SELECT track_id, reason FROM rejects")
    found = {row["track_id"]: row["found"] for row in rows}
    assert len(found) == len(rows) == 37
    assert found["new/Ω späte Lieder.wav"] == found["broken/silent.flac"] == "label"
    assert found[f"metal/{broken.name}"] == "undecodable"
    listed = ask(run, place, "SELECT listed, done, rejected, unchanged FROM runs ORDER BY started_at")
    assert all(row["listed"] == row["done"] + row["rejected"] + row["unchanged"] for row in listed)


def test_rejects_are_tried_again_when_asked(run, place: Place) -> None:
    arguments = ("--library", place.library, "--bundle", place.bundle, "--tables", place.tables, "--max-reject-fraction", "1")
    ended = run("label-catalog", *arguments, "--redo", "rejected")
    assert "37 listed = 0 labelled + 6 rejected + 31 unchanged" in ended.out


def test_answers_in_every_form(run, place: Place) -> None:
    sql = "SELECT genre, count(*) AS n FROM labels GROUP BY genre ORDER BY genre"
    rows = ask(run, place, sql)
    csv = run("query", "--tables", place.tables, sql, "--format", "csv").out
    assert csv.splitlines() == ["genre,n", *(f"{row['genre']},{row['n']}" for row in rows)]
    assert all(row["genre"] in run("query", "--tables", place.tables, sql).out for row in rows)
    frame = pl.read_delta(place.tables + "/labels", storage_options=polars_options(place.root))
    assert dict(frame.group_by("genre").len().iter_rows()) == {row["genre"]: row["n"] for row in rows}


def test_a_changed_bundle_is_refused(run, place: Place) -> None:
    model = storage.read_bytes(place.bundle + "/model.onnx")
    for found in list(storage.walk(place.bundle)):
        storage.write_bytes(found.uri.replace("/bundle/", "/tampered/"), storage.read_bytes(found.uri))
    storage.write_bytes(place.tampered + "/model.onnx", model[:-1] + b"!")
    ended = run("label-catalog", "--library", place.library, "--bundle", place.tampered, "--tables", place.tables)
    assert ended.code == 2
    assert "model.onnx was changed" in ended.err


def test_held_tables_are_left_alone(run, place: Place) -> None:
    from genre_batch.tables import lock

    with lock.held(place.tables, "somebody"):
        ended = label(run, place)
    assert ended.code == 6
    assert "held by run somebody" in ended.err


def test_a_library_that_is_not_there(run, place: Place) -> None:
    ended = run("label-catalog", "--library", place.root + "/nowhere", "--bundle", place.bundle, "--tables", place.tables)
    assert ended.code == 3
    assert "nowhere does not exist" in ended.err


def test_wrong_credentials_are_refused_and_not_told(run, s3, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = "not-the-secret-" + os.urandom(4).hex()
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    s3fs.S3FileSystem.clear_instance_cache()
    s3_client.connected.cache_clear()
    try:
        listing = run("inventory", "--library", s3.url("line", "library"))
        query = run("query", "--tables", s3.url("line", "tables"), "SELECT 1")
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        s3_client.connected.cache_clear()
    assert (listing.code, query.code) == (3, 3)
    assert "credentials" in listing.err
    assert secret not in listing.out + listing.err + query.out + query.err


def test_more_than_a_thousand_objects(run, s3) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: storage.write_bytes(s3.url("many", f"rock/{n:04}.wav"), b"x"), range(1100)))
    ended = run("inventory", "--library", s3.url("many"))
    assert "1100 recordings" in ended.out


def ask(run, place: Place, sql: str) -> list[dict[str, object]]:
    ended = run("query", "--tables", place.tables, sql, "--format", "json")
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in io.StringIO(ended.out)]
