"""The best baseline of a grid as a bundle that labels."""

import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa

import genre_batch
from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.evaluation import baselines, grid, left_out, metrics
from genre_batch.evaluation.baselines import Cell
from genre_batch.evaluation.left_out import FOUND
from genre_batch.models import calibrate, cost
from genre_batch.models.baselines import serve
from genre_batch.models.bundle import SKOPS, Bundle, Member
from genre_batch.splits import Fold, Part
from genre_batch.tables import storage
from genre_batch.tables.features import FeatureTable
from genre_batch.taxonomy import Taxonomy

MOST_HONEST_FIRST = (Protocol.ARTIST, Protocol.FAULT_FILTERED, Protocol.TRACK, Protocol.RANDOM)


def choose(rows: list[grid.Row]) -> grid.Row | None:
    """The sound baseline with the best track accuracy under the most honest protocol that was tried."""
    found = (grid.best(rows, protocol, Profile.SOUND) for protocol in MOST_HONEST_FIRST)
    return next((row for row in found if row), None)


def bundle(table: FeatureTable, row: grid.Row, *, seed: int) -> Bundle:
    """Fitted on all rows; calibrated and measured on folds that it was not fitted on, as its protocol says. Those by artist are kept in it,
    so that it can be joined with others."""
    cell = Cell(Profile(row["profile"]), Protocol(row["protocol"]), Model(row["model"]), Map(row["map"]))
    taxonomy = Taxonomy.of(table.rows["genre"].to_pylist())
    found = _found(cell, table, seed)
    figures, calibration = _measure(cell.protocol, found, taxonomy)
    everything = Fold(np.arange(table.rows.num_rows), np.zeros(0, np.int64), np.zeros(0, np.int64))
    x, labels = baselines.inputs(cell.profile, table), baselines.classes(table, taxonomy)
    fitted, params = baselines.fitted(cell, table, x, labels, everything, seed=seed)
    tracks = table.rows.group_by(["track_id", "genre", "artist"], use_threads=False).aggregate([])
    split = tracks.append_column("part", pa.array([Part.TRAIN.value] * tracks.num_rows, pa.string()))
    name = cell.model.value if cell.map is Map.NONE else f"{cell.model} on {cell.map}"
    member = Member(name, table.inputs, {SKOPS: serve.dump(fitted)})
    return Bundle.assemble(
        name=name,
        members=[member],
        front_end=table.front_end,
        taxonomy=taxonomy,
        calibration=calibration,
        split=split,
        provenance=_provenance(cell, table, row, params, seed) | {"cost": cost.measure([member], table.front_end)},
        metrics={"folds": figures},
        folds=found if cell.protocol is Protocol.ARTIST else None,
    )


def _found(cell: Cell, table: FeatureTable, seed: int) -> pa.Table:
    """What each segment is called by the baseline that was fitted without its fold: rows as FOUND, by track and segment."""
    folds = baselines.judge(cell, table, seed=seed).folds
    if cell.protocol is Protocol.FAULT_FILTERED:
        folds = folds[:1]  # the others are the same tracks again, with other seeds
    number = np.repeat(np.arange(len(folds)), [len(fold.rows) for fold in folds])
    logits = serve.logits(np.concatenate([fold.shares for fold in folds]))
    found = table.rows.select(["track_id", "genre", "artist", "segment"]).take(np.concatenate([fold.rows for fold in folds]))
    found = found.append_column("fold", pa.array(number)).append_column("logits", pa.array(logits.tolist()))
    return found.cast(FOUND).sort_by([("track_id", "ascending"), ("segment", "ascending")])


def _measure(protocol: Protocol, found: pa.Table, taxonomy: Taxonomy) -> tuple[dict[str, Any], calibrate.Calibration]:
    """Each track by the fold that it was left out of."""
    if protocol in (Protocol.ARTIST, Protocol.TRACK):
        return left_out.measure(left_out.answers([found], taxonomy))
    # Of the others one has a single fold, and one tears tracks: nothing is left to calibrate them on but themselves.
    _, first, tracks = np.unique(np.array(found["track_id"].to_pylist()), return_index=True, return_inverse=True)
    logits = left_out.logits(found)
    labels = np.array([taxonomy.index(genre) for genre in found["genre"].take(first).to_pylist()], np.int64)
    calibration = calibrate.fit(calibrate.pool(logits, tracks), labels)
    return metrics.evaluate(logits, tracks, labels, taxonomy, calibration) | {"nested": False}, calibration


def _provenance(cell: Cell, table: FeatureTable, row: grid.Row, params: dict[str, Any], seed: int) -> dict[str, Any]:
    packages = ("scikit-learn", "skops", "numpy", "scipy")
    return {
        "features": storage.told(table.source),
        "features_digest": table.digest,
        "inputs": list(table.inputs),
        "run_id": row["run_id"],
        "split_digest": row["split_digest"],
        "options": {"split": cell.protocol.value, **asdict(cell)},
        "params": params,
        "seed": seed,
        "code_version": genre_batch.__version__,
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
