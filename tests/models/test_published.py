"""The bundle that ships: whole, small, honest about itself, and able to label recordings."""

from pathlib import Path

import numpy as np
import pytest

from genre_batch.embedded import library
from genre_batch.models import bundle as bundles
from genre_batch.models import export, scorer
from genre_batch.models.bundle import Bundle
from genre_batch.models.verdict import judge
from genre_batch.signal.extract import extract
from tests.conftest import SHARED

MOST_BYTES = 10_000_000


@pytest.fixture(scope="module")
def published() -> Bundle:
    return bundles.load("gtzan")


def test_it_is_small_and_says_nothing_of_where_it_was_made(published: Bundle):
    folder = Path(bundles.place("gtzan"))
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= MOST_BYTES
    told = [published.described, *published.files.values()]
    assert not any(place in each for each in told for place in (b"/tmp/", b"/home/", b"/root/", b"site-packages"))


def test_its_figures_are_those_of_folds_between_artists(published: Bundle):
    figures = published.facts["metrics"]["folds"]
    assert figures["n_tracks"] == published.split.num_rows == 639
    assert figures["nested"] is True
    assert figures["track_accuracy"] == pytest.approx(sum(g["recall"] * g["n"] for g in figures["per_genre"].values()) / 639)
    assert figures["ece"] <= 0.05
    card = published.files["MODEL_CARD.md"].decode()
    assert all(
        sentence in card for sentence in ("must not be used for", "94 of 100", "deviation of track accuracy between folds")
    )


def test_onnx_and_torch_agree_on_every_member(published: Bundle):
    shape = published.front_end.spectrogram_shape
    spectrograms = np.random.default_rng(0).integers(0, 256, (5, *shape), np.uint8)
    served, torch = (
        scorer.of(published, "cpu"),
        [export.TorchScorer(published, n, "cpu") for n in range(len(published.members))],
    )
    assert published.join is not None
    np.testing.assert_allclose(served(spectrograms, None), published.join([each(spectrograms) for each in torch]), atol=1e-4)


@pytest.mark.parametrize("genre", ["classical", "metal"])
def test_it_labels_any_song(published: Bundle, genre: str):
    features = extract(library.songs(genre, 15.0)[0].data, published.front_end)
    assert features.positions.tolist() == [0, 1, 2]
    verdict = judge(published, scorer.of(published, "cpu")(features.spectrograms, features.descriptors))
    assert verdict.best_genre in published.taxonomy.genres
    assert sum(verdict.probabilities) == pytest.approx(1)


@pytest.mark.skipif(not (SHARED / "gtzan" / "audio").is_dir(), reason="no GTZAN recordings beside the checkout")
def test_recordings_that_it_was_trained_on_are_recognised(published: Bundle):
    """No measure of what it is worth: that audio, and not only published spectrograms, reaches the networks as it should."""
    score, right = scorer.of(published, "cpu"), []
    known = set(published.split["track_id"].to_pylist())
    for file in sorted((SHARED / "gtzan" / "audio").glob("*/*.flac"))[::4]:
        if file.stem in known:
            features = extract(file.read_bytes(), published.front_end)
            right.append(judge(published, score(features.spectrograms, None)).best_genre == file.parent.name)
    assert len(right) >= 20
    assert np.mean(right) >= 0.8
