"""Rows that keep every table's promise; a test changes what it is about."""

from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pyarrow as pa

WHEN = datetime(2026, 3, 1, 12, 30, 15, 250_000, tzinfo=UTC)

Row = dict[str, Any]


def label(track_id: str = "a", **changes: Any) -> Row:
    return {
        "track_id": track_id,
        "uri": f"/music/{track_id}",
        "genre": "rock",
        "confidence": 0.75,
        "best_genre": "rock",
        "runner_up": "jazz",
        "probabilities": [("jazz", 0.25), ("rock", 0.75)],
        "segments_used": 2,
        "duration_s": 10.5,
        "loudness_db": -20.0,
        "content_version": "v1",
        "bundle_id": "bundle1",
        "front_end": "front1",
        "run_id": "run1",
        "labelled_at": WHEN,
        "deleted_at": None,
    } | changes


def reject(track_id: str = "a", **changes: Any) -> Row:
    return {
        "track_id": track_id,
        "uri": f"/music/{track_id}",
        "stage": "decode",
        "reason": "undecodable",
        "detail": "no audio in it",
        "content_version": "v1",
        "bundle_id": "bundle1",
        "front_end": "front1",
        "run_id": "run1",
        "rejected_at": WHEN,
        "deleted_at": None,
    } | changes


def segment(track_id: str = "a", segment: int = 0, **changes: Any) -> Row:
    return {
        "track_id": track_id,
        "segment": segment,
        "start_s": 5.0 * segment,
        "best_genre": "rock",
        "confidence": 0.75,
        "probabilities": [("jazz", 0.25), ("rock", 0.75)],
        "bundle_id": "bundle1",
        "run_id": "run1",
    } | changes


def shard(track_id: str = "a", segment: int = 0, **changes: Any) -> Row:
    return {
        "track_id": track_id,
        "segment": segment,
        "start_s": 5.0 * segment,
        "genre": "rock",
        "artist": "Ada",
        "uri": f"/music/{track_id}",
        "duration_s": 10.5,
        "content_version": "v1",
        "front_end": "front1",
        "spectrogram": bytes([0, 128, 255]),
        "descriptors": None,
    } | changes


def run(run_id: str = "run1", **changes: Any) -> Row:
    return {
        "run_id": run_id,
        "job": "label-catalog",
        "state": "finished",
        "library": "/music",
        "listed": 6,
        "done": 3,
        "rejected": 2,
        "unchanged": 1,
        "remaining": 0,
        "deleted": 0,
        "returned": 0,
        "not_audio": 4,
        "bundle_id": "bundle1",
        "front_end": "front1",
        "code_version": "0.1.0",
        "audio_s": 31.5,
        "started_at": WHEN,
        "finished_at": WHEN,
    } | changes


def trial(run_id: str = "run1", **changes: Any) -> Row:
    return {
        "run_id": run_id,
        "profile": "sound",
        "protocol": "artist",
        "model": "knn",
        "map": "none",
        "features": "/music/features.csv",
        "segment_accuracy": 0.5,
        "track_accuracy": 0.6,
        "macro_f1": 0.55,
        "std": 0.03,
        "ci_low": 0.45,
        "ci_high": 0.55,
        "n": 30,
        "n_tracks": 10,
        "split_digest": "0123456789abcdef",
        "params": '[{"model__n_neighbors": 1}]',
        "by_fold": [0.47, 0.53],
        "per_genre": [("jazz", 0.5), ("rock", 0.7)],
        "confusion": [[2, 3], [1, 4]],
        "seconds": 1.5,
        "finished_at": WHEN,
    } | changes


def listed(track_id: str = "a", **changes: Any) -> Row:
    """A row of the inventory."""
    return {
        "track_id": track_id,
        "uri": f"/music/{track_id}",
        "genre": None,
        "artist": None,
        "size": 3,
        "modified_at": WHEN,
        "etag": None,
        "content_version": "v1",
    } | changes


def table(contract: ModuleType, *rows: Row) -> pa.Table:
    return pa.Table.from_pylist(list(rows), contract.ARROW)
