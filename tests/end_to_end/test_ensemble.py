"""A network and a baseline of spectrogram statistics, joined into one bundle that labels a catalog."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from genre_batch.front_end import MEL
from genre_batch.models import bundle as bundles
from genre_batch.models import scorer
from genre_batch.signal.extract import extract
from genre_batch.tables.query import query
from tests.conftest import GENRES
from tests.running import Ended, job

Run = Callable[..., Ended]

SONGS = 30


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: job(capfd, *arguments)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ensemble")


# In order, as test_line.


def test_statistics_become_a_bundle_with_its_folds(run: Run, place: Path, small_library_shards: str) -> None:
    chosen = ("--features", "statistics", "--protocol", "artist", "--model", "ridge")
    ended = run("tune-baselines", "--shards", small_library_shards, "--out", f"{place}/tuned", *chosen)
    assert ended.code == 0, ended.err
    assert "map polynomial is left out: it would make 74,304 columns of 384" in ended.err
    assert "3 trials in" in ended.out
    assert (place / "tuned" / "grid.md").read_text().startswith("# Baselines on statistics of shards\n")
    bundle = bundles.load(f"{place}/tuned/bundle")
    assert [member.inputs for member in bundle.members] == [("statistics",)]
    assert bundle.front_end == MEL
    assert bundle.folds is not None
    assert len(set(bundle.folds["track_id"].to_pylist())) == SONGS


def test_descriptors_are_refused_where_there_are_none(run: Run, place: Path, small_library_shards: str) -> None:
    ended = run("tune-baselines", "--shards", small_library_shards, "--out", f"{place}/none")
    assert ended.code == 2
    assert "hold no descriptors: build others with build-shards --descriptors" in ended.err


def test_a_bundle_without_folds_is_refused(run: Run, place: Path, small_library_shards: str) -> None:
    chosen = ("--features", "statistics", "--protocol", "track", "--model", "ridge", "--map", "none")
    assert run("tune-baselines", "--shards", small_library_shards, "--out", f"{place}/by-track", *chosen).code == 0
    given = ("--bundle", f"{place}/tuned/bundle", "--bundle", f"{place}/by-track/bundle")
    ended = run("ensemble", *given, "--out", f"{place}/refused")
    assert ended.code == 2
    assert ended.err.startswith(f"error: bundle {place}/by-track/bundle was not cross-validated")
    assert ended.err.count("\n") == 1
    assert not (place / "refused").exists()


def test_a_network_and_a_baseline_become_one_bundle(run: Run, place: Path, small_library_shards: str) -> None:
    chosen = ("--network", "compact", "--folds", "2", "--epochs", "1")
    trained = run("train-network", "--shards", small_library_shards, "--bundle", f"{place}/compact", *chosen)
    assert trained.code == 0, trained.err
    alone = bundles.load(f"{place}/compact")
    assert set(alone.split["part"].to_pylist()) == {"train"}, "with folds it is trained on all"
    assert alone.facts["metrics"].keys() == {"folds"}
    assert alone.facts["metrics"]["folds"]["n_tracks"] == SONGS
    assert alone.folds is not None
    assert len(set(alone.folds["track_id"].to_pylist())) == SONGS
    assert all("valid_loss" not in scores for scores in alone.facts["provenance"]["history"])
    given = ("--bundle", f"{place}/compact", "--bundle", f"{place}/tuned/bundle")
    ended = run("ensemble", *given, "--out", f"{place}/both")
    assert ended.code == 0, ended.err
    both = bundles.load(f"{place}/both")
    assert f"bundle {both.bundle_id} in {place}/both, by mean log-probability; on {SONGS} left-out tracks" in ended.out
    assert "ms a segment on one core (compact " in ended.out
    assert [member.inputs for member in both.members] == [("spectrograms",), ("statistics",)]
    assert [each["network"] for each in both.facts["provenance"]["members"]] == ["compact"]
    assert both.taxonomy.genres == GENRES


def test_it_labels_a_catalog_as_its_members_joined_by_hand(run: Run, place: Path, small_library: Path) -> None:
    manifest = str(small_library / "manifest.csv")
    ended = run("label-catalog", "--library", manifest, "--bundle", f"{place}/both", "--tables", f"{place}/tables")
    assert f"{SONGS} listed = {SONGS} labelled + 0 rejected + 0 unchanged" in ended.out, ended.err
    rows = query(f"{place}/tables", "SELECT uri, probabilities FROM labels ORDER BY uri").to_pylist()
    both = bundles.load(f"{place}/both")
    members = [scorer.of(bundles.load(f"{place}/{name}"), "cpu") for name in ("compact", "tuned/bundle")]
    for row in rows[:: SONGS // 3]:
        spectrograms = extract(Path(row["uri"]).read_bytes(), MEL).spectrograms
        said = [log_softmax(member(spectrograms, None), axis=1) for member in members]
        assert np.abs(said[0] - said[1]).max() > 0.1, "or one member would do"
        by_hand = log_softmax((said[0] + said[1]) / 2, axis=1).mean(axis=0) / both.calibration.temperature
        found = dict(row["probabilities"])
        np.testing.assert_allclose([found[genre] for genre in GENRES], softmax(by_hand), atol=1e-4)
