"""The cells of the grid of baselines as trials of Ray Tune."""

import hashlib
import json
import os
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import ray
from ray import tune

import genre_batch
from genre_batch import progress
from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.cluster import tally
from genre_batch.errors import job_error_behind
from genre_batch.evaluation import baselines
from genre_batch.evaluation.baselines import Cell
from genre_batch.tables import storage, store
from genre_batch.tables.features import FeatureTable
from schemas import trials

MAX_FAILURES = 3
"""Of a trial whose worker was lost."""

Row = dict[str, Any]
"""A row of schemas.trials."""


def try_all(table: FeatureTable, tried: list[Cell], out: str, *, seed: int) -> list[Row]:
    """Judge each cell in a trial of its own; publish the rows in table `trials` at `out`, and return them in the order of the enums.

    Killed and called again it goes on: trials that were finished are not run again. Within a session. Raises JobError.
    """
    run_id = _run_id(table, tried, seed)
    rows = sorted((_row(found, table, run_id) for found in _outcomes(table, tried, out, run_id, seed)), key=_place)
    receipt = store.write_part(out, trials, pa.Table.from_pylist(rows, trials.ARROW))
    store.commit(out, trials, [receipt], replaced=[run_id], run_id=run_id)
    return rows


def _run_id(table: FeatureTable, tried: list[Cell], seed: int) -> str:
    facts = [table.digest, [asdict(cell) for cell in tried], seed, genre_batch.__version__]
    return f"baselines-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]}"


def _outcomes(table: FeatureTable, tried: list[Cell], out: str, run_id: str, seed: int) -> list[Row]:
    """The outcome of each cell, in the order of `tried`. A trial stores its own, so that none is lost with this process."""
    stored = {cell: storage.join(out, "tune", run_id, f"{'-'.join(asdict(cell).values())}.json") for cell in tried}
    open_cells = [cell for cell in tried if not storage.exists(stored[cell])]
    if len(open_cells) < len(tried):
        progress.say(f"going on with {run_id}: {len(tried) - len(open_cells)} of {len(tried)} trials are finished")
    if open_cells:
        _run(table, {cell: stored[cell] for cell in open_cells}, storage.join(out, "tune", run_id), seed)
    return [json.loads(storage.read_needed(stored[cell])) | asdict(cell) for cell in tried]


def _run(table: FeatureTable, stored: dict[Cell, str], place: str, seed: int) -> None:
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # Tune's tables give way to one line of progress of our own
    system, path = storage.arrow_filesystem(place)
    counted = ray.remote(num_cpus=0)(tally.Tally).remote()
    trial = tune.with_parameters(_trial, table=table, seed=seed, counted=counted)
    tuner = tune.Tuner(
        tune.with_resources(trial, {"CPU": 1}),
        param_space={"trial": tune.grid_search([(asdict(cell), uri) for cell, uri in stored.items()])},
        tune_config=tune.TuneConfig(reuse_actors=True),
        run_config=tune.RunConfig(
            name="ray", storage_path=path, storage_filesystem=system, verbose=0, failure_config=tune.FailureConfig(MAX_FAILURES)
        ),
    )
    with progress.watching("tune-baselines", len(stored), lambda: tally.progress(counted)):
        results = tuner.fit()
    for error in results.errors:
        raise job_error_behind(error) or error


def _trial(config: dict[str, Any], *, table: FeatureTable, seed: int, counted: "ray.actor.ActorHandle") -> None:
    """Runs in a worker: one cell."""
    chosen, uri = config["trial"]
    cell = Cell(Profile(chosen["profile"]), Protocol(chosen["protocol"]), Model(chosen["model"]), Map(chosen["map"]))
    outcome = baselines.judge(cell, table, seed=seed)
    facts = {
        "figures": outcome.figures,
        "params": outcome.params,
        "split_digest": outcome.split_digest,
        "seconds": outcome.seconds,
        "finished_at": datetime.now(UTC).isoformat(),
    }
    storage.write_bytes(uri, json.dumps(facts).encode())
    counted.add.remote(f"{cell.profile} {cell.protocol}", 0.0)
    tune.report({"segment_accuracy": outcome.figures["segment_accuracy"]})


def _row(result: Row, table: FeatureTable, run_id: str) -> Row:
    figures = result["figures"]
    return {
        **{name: result[name] for name in ("profile", "protocol", "model", "map")},
        **figures,
        "run_id": run_id,
        "features": table.source,
        "per_genre": list(figures["per_genre"].items()),
        "split_digest": result["split_digest"],
        "params": json.dumps(result["params"]),
        "seconds": result["seconds"],
        "finished_at": datetime.fromisoformat(result["finished_at"]),
    }


def _place(row: Row) -> tuple[int, ...]:
    chosen = (Profile(row["profile"]), Protocol(row["protocol"]), Model(row["model"]), Map(row["map"]))
    return tuple(list(type(each)).index(each) for each in chosen)
