"""What labels tracks in a worker process: bytes to rows, one track after the other."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from genre_batch.cluster import ahead, guard, heap
from genre_batch.cluster.accounts import Stamp, Written, account
from genre_batch.cluster.metrics import Meter, Stage
from genre_batch.cluster.tally import Teller
from genre_batch.errors import TrackError, UsageError
from genre_batch.evaluation.profile import Profile
from genre_batch.limits import Limits
from genre_batch.models import bundle as bundles
from genre_batch.models import scorer
from genre_batch.models.verdict import judge
from genre_batch.signal.extract import TrackFeatures, extract
from genre_batch.tables import retries, store
from schemas import labels, rejects, segments

MEMORY = 6 * 2**30
"""What a worker may take more than it has when it begins: a file that wants more fails alone, and not its node."""


class Labeller:
    """Made once in a process, and kept for the run."""

    def __init__(
        self,
        stamp: Stamp,
        bundle_url: str,
        limits: Limits,
        counted: "ray.actor.ActorHandle",
        *,
        until: float | None,
        timeline: bool,
        gpu: bool,
    ) -> None:
        """until: when no further track is begun, in seconds since 1970; None for no end. timeline: rows of segments too."""
        self.stamp, self.limits, self.until, self.timeline = stamp, limits, until, timeline
        self.told = Teller(counted)
        self.bundle = bundles.load(bundle_url)
        if self.bundle.bundle_id != stamp.bundle_id:
            raise UsageError(f"bundle {bundle_url} was replaced during the run; what was committed before stays, run again")
        self.score = scorer.of(self.bundle, "cuda" if gpu else "cpu")
        self.meter = Meter(stamp.job)
        retries.on_retry = self.meter.retried
        guard.limit_memory(MEMORY)
        heap.keep_freed()

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        rows: dict[str, list[dict[str, Any]]] = {labels.NAME: [], segments.NAME: [], rejects.NAME: []}
        left: list[str] = []
        for track, read in ahead.each(tracks, self.limits):
            if self.until is not None and time.time() >= self.until:
                left.append(track["track_id"])
                continue
            try:
                with guard.at_most(self.limits.work_s):
                    features, logits = self._heard(read)
            except TrackError as error:
                rows[rejects.NAME].append(self.stamp.reject(track, error))
                self.told.add(error.reason.value, 0.0)
                self.meter.track(error.reason.value)
                continue
            label = self._label(track, features, logits)
            rows[labels.NAME].append(label)
            self.meter.labelled(label["genre"], features.duration_s)
            if self.timeline:
                rows[segments.NAME] += self._timeline(track, features, logits)
            self.told.add("labelled", features.duration_s)
        self.told.tell()
        parts = []
        for contract in (labels, segments, rejects):
            if rows[contract.NAME]:
                with self.meter.timing(Stage.WRITE):
                    table = pa.Table.from_pylist(rows[contract.NAME], contract.ARROW)
                    parts.append(store.write_part(self.stamp.url, contract, table))
        labelled, refused = rows[labels.NAME], rows[rejects.NAME]
        audio_s = sum(row["duration_s"] for row in labelled)
        return account(parts, [row["track_id"] for row in labelled], refused, audio_s, Profile.of(labelled, refused), left)

    def _heard(self, read: Callable[[], bytes]) -> tuple[TrackFeatures, np.ndarray]:
        """The segments of a track, and their logits. Raises TrackError."""
        with self.meter.timing(Stage.READ):
            data = read()
        with self.meter.timing(Stage.EXTRACT):
            features = extract(data, self.bundle.front_end, self.limits)
        with self.meter.timing(Stage.SCORE):
            return features, self.score(features.spectrograms, features.descriptors)

    def _label(self, track: dict[str, Any], features: TrackFeatures, logits: np.ndarray) -> dict[str, Any]:
        verdict = judge(self.bundle, logits)
        return {
            "track_id": track["track_id"],
            "uri": track["uri"],
            "genre": verdict.genre,
            "confidence": verdict.confidence,
            "best_genre": verdict.best_genre,
            "runner_up": verdict.runner_up,
            "probabilities": self._named(verdict.probabilities),
            "segments_used": len(features.positions),
            "duration_s": features.duration_s,
            "loudness_db": features.loudness_db,
            "content_version": track["content_version"],
            "bundle_id": self.bundle.bundle_id,
            "front_end": self.stamp.front_end,
            "run_id": self.stamp.run_id,
            "labelled_at": datetime.now(UTC),
            "deleted_at": None,
        }

    def _timeline(self, track: dict[str, Any], features: TrackFeatures, logits: np.ndarray) -> list[dict[str, Any]]:
        """A row a segment: each judged as if it were the track."""
        front_end = self.bundle.front_end
        hop_s = front_end.segment_hop_samples / front_end.sample_rate_hz
        verdicts = (judge(self.bundle, logits[i : i + 1]) for i in range(len(logits)))
        return [
            {
                "track_id": track["track_id"],
                "segment": int(position),
                "start_s": float(position * hop_s),
                "best_genre": verdict.best_genre,
                "confidence": verdict.confidence,
                "probabilities": self._named(verdict.probabilities),
                "bundle_id": self.bundle.bundle_id,
                "run_id": self.stamp.run_id,
            }
            for position, verdict in zip(features.positions, verdicts, strict=True)
        ]

    def _named(self, shares: list[float]) -> list[tuple[str, float]]:
        return list(zip(self.bundle.taxonomy.genres, shares, strict=True))
