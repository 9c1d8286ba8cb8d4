"""`label-catalog`: every track of a library gets a row in `labels` or in `rejects`."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from genre_batch.choices import Layout, Redo
from genre_batch.cluster import session
from genre_batch.cluster.run import (
    Run,
    Stamp,
    Summary,
    Written,
    account,
    new_run_id,
    read_track,
)
from genre_batch.cluster.work import spread
from genre_batch.errors import TrackError, UsageError
from genre_batch.models import bundle as bundles
from genre_batch.models import scorer
from genre_batch.models.bundle import Bundle
from genre_batch.models.calibrate import pool, probabilities
from genre_batch.signal.extract import TrackFeatures, extract
from genre_batch.tables import library, lock, plan, storage, store
from genre_batch.taxonomy import UNKNOWN
from schemas import labels, rejects


def label_catalog(*, library_url: str, bundle_url: str, tables: str, redo: Redo, max_reject_fraction: float) -> Summary:
    """Label what is new or changed. Raises JobError; then nothing of this run was published."""
    bundle = bundles.load(bundle_url)
    run_id = new_run_id()
    with lock.held(tables, run_id), session.session():
        listed = library.read(library_url, Layout.TREE)
        front_end = bundle.front_end.digest
        todo = plan.for_labels(listed, tables, bundle_id=bundle.bundle_id, front_end=front_end, redo=redo)
        stamp = Stamp("label-catalog", storage.normal(tables), run_id, front_end, bundle.bundle_id)
        run = Run(stamp, labels, listed, todo)
        gpu = session.gpus() > 0
        written = spread(run, partial(Labeller, stamp, bundles.travelling(bundle_url), gpu=gpu), gpu=gpu)
        return run.publish(written, max_reject_fraction)


class Labeller:
    """Lives in a worker process: bytes to label, one track after the other."""

    def __init__(self, stamp: Stamp, bundle_url: str, counted: "ray.actor.ActorHandle", *, gpu: bool) -> None:
        self.stamp, self.counted = stamp, counted
        self.bundle = bundles.load(bundle_url)
        if self.bundle.bundle_id != stamp.bundle_id:
            raise UsageError(f"bundle {bundle_url} was replaced during the run; nothing was published, run again")
        self.score = scorer.of(self.bundle, "cuda" if gpu else "cpu")

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        labelled, refused = [], []
        for track in tracks:
            try:
                features = extract(read_track(track), self.bundle.front_end)
            except TrackError as error:
                refused.append(self.stamp.reject(track, error))
                self.counted.add.remote(error.reason.value, 0.0)
            else:
                labelled.append(self._row(track, features))
                self.counted.add.remote("labelled", features.duration_s)
        parts = [
            store.write_part(self.stamp.url, contract, pa.Table.from_pylist(rows, contract.ARROW))
            for contract, rows in ((labels, labelled), (rejects, refused))
            if rows
        ]
        return account(parts, [row["track_id"] for row in labelled], refused, sum(row["duration_s"] for row in labelled))

    def _row(self, track: dict[str, Any], features: TrackFeatures) -> dict[str, Any]:
        genres = self.bundle.taxonomy.genres
        verdict = judge(self.bundle, self.score(features.spectrograms, features.descriptors))
        return {
            "track_id": track["track_id"],
            "uri": track["uri"],
            "genre": verdict.genre,
            "confidence": verdict.confidence,
            "best_genre": verdict.best_genre,
            "runner_up": verdict.runner_up,
            "probabilities": list(zip(genres, verdict.probabilities, strict=True)),
            "segments_used": len(features.positions),
            "duration_s": features.duration_s,
            "content_version": track["content_version"],
            "bundle_id": self.bundle.bundle_id,
            "front_end": self.stamp.front_end,
            "run_id": self.stamp.run_id,
            "labelled_at": datetime.now(UTC),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a bundle says of one track; `genre` is `unknown` where `confidence` is below the bundle's threshold."""

    genre: str
    confidence: float
    best_genre: str
    runner_up: str | None
    probabilities: list[float]


def judge(bundle: Bundle, logits: np.ndarray) -> Verdict:
    """logits: [shape=(n_segments, n_genres)] of one track."""
    shares = probabilities(pool(logits, np.zeros(len(logits), np.int64)), bundle.calibration.temperature)[0]
    order = np.argsort(-shares, kind="stable")
    best, confidence = bundle.taxonomy.genres[order[0]], float(shares[order[0]])
    return Verdict(
        genre=best if confidence >= bundle.calibration.unknown_below else UNKNOWN,
        confidence=confidence,
        best_genre=best,
        runner_up=bundle.taxonomy.genres[order[1]] if len(order) > 1 else None,
        probabilities=shares.tolist(),
    )
