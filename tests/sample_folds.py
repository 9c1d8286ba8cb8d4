"""Bundles of small real baselines that were cross-validated by artist; a test changes what it is about."""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline

from genre_batch.evaluation.left_out import FOUND
from genre_batch.front_end import Descriptors, FrontEnd
from genre_batch.models.baselines import serve
from genre_batch.models.bundle import SKOPS, Bundle, Member
from genre_batch.models.calibrate import Calibration
from genre_batch.taxonomy import Taxonomy
from tests.sample_bundle import SMALL, figures

GENRES = ("jazz", "rock")
TWO = Taxonomy(GENRES)
DRAWN = SMALL
DESCRIBED = dataclasses.replace(SMALL, name="described", spectrograms=False, descriptors=Descriptors())
N_COLUMNS = {"statistics": 3 * SMALL.n_bands, "descriptors": 57}
N_TRACKS, N_SEGMENTS = 40, 2


def fitted(n_columns: int, seed: int = 0, n_genres: int = 2) -> Pipeline:
    """Fitted on noise: what it says differs from seed to seed."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(20, n_columns)), np.arange(20) % n_genres
    return Pipeline([("model", LogisticRegression(C=0.01).fit(x, y))])


def found(skill: float, seed: int, tracks: range = range(N_TRACKS), n_folds: int = 5) -> pa.Table:
    """Rows as FOUND: every two tracks are by one artist, who stands in one fold; genres go by artists in turn."""
    rng = np.random.default_rng(seed)
    rows = []
    for t in tracks:
        artist = t // 2
        for segment in range(N_SEGMENTS):
            logits = rng.normal(size=2) + skill * np.eye(2)[artist % 2]
            rows.append(
                (f"track {t:02}", GENRES[artist % 2], f"artist {artist}", segment, artist // 2 % n_folds, logits.tolist())
            )
    return pa.Table.from_pylist([dict(zip(FOUND.names, row, strict=True)) for row in rows], FOUND)


def cross_validated(
    inputs: str = "statistics", *, skill: float = 1.0, seed: int = 0, folds: pa.Table | None = None, **changes: Any
) -> Bundle:
    folds = found(skill, seed) if folds is None else folds
    tracks = folds.group_by(["track_id", "genre", "artist"], use_threads=False).aggregate([])
    return Bundle.assemble(
        **{
            "name": f"regression {seed}",
            "members": [Member(f"regression {seed}", (inputs,), {SKOPS: serve.dump(fitted(N_COLUMNS[inputs], seed))})],
            "front_end": DRAWN if inputs == "statistics" else DESCRIBED,
            "taxonomy": TWO,
            "calibration": Calibration(temperature=1.0, unknown_below=0.0),
            "split": tracks.append_column("part", pa.array(["train"] * tracks.num_rows)),
            "provenance": {
                "options": {"split": "artist"},
                "features": "/music/shards",
                "split_digest": "0123",
                "params": {},
                "seed": seed,
            },
            "metrics": {"folds": figures()},
            "folds": folds,
        }
        | changes
    )


def members_of(bundle: Bundle) -> list[Any]:
    """What each of a bundle's models says, as it serves."""
    from genre_batch.models.baselines.serve import BaselineScorer

    return [BaselineScorer(member.files[SKOPS], member.inputs) for member in bundle.members]


def segments(n: int, front_end: FrontEnd = DRAWN) -> tuple[np.ndarray, np.ndarray]:
    """Spectrograms and descriptors of so many segments."""
    rng = np.random.default_rng(n)
    return rng.integers(0, 256, (n, *front_end.spectrogram_shape), np.uint8), rng.normal(size=(n, 57))
