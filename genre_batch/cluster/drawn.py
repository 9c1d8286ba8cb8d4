"""Draws of a recipe as trials of Ray Tune: each trains fold after fold on one core, and a poor one is stopped before it has done all.

A fold stores what it found, and a draw after each fold how it stands, so that an interrupted search goes on. What is stored is told to the
scheduler again, which then decides as if there had been no interruption.
"""

import json
import math
import os
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray import tune
from ray.tune.schedulers import AsyncHyperBandScheduler

from genre_batch import progress
from genre_batch.cluster import folds, segments, tally
from genre_batch.cluster.folds import Held
from genre_batch.cluster.segments import Shards
from genre_batch.errors import job_error_behind
from genre_batch.evaluation import draws
from genre_batch.evaluation.draws import Judged, Row
from genre_batch.models import calibrate
from genre_batch.models.fit import Diverged
from genre_batch.tables import storage
from genre_batch.taxonomy import Taxonomy

MAX_FAILURES = 3
"""Of a draw whose worker was lost."""
KEPT = 2
"""One draw in so many goes on past the first fold, and again past the second and the fourth."""
DIVERGED: dict[str, float] = {"log_likelihood": -math.inf, "track_accuracy": math.nan, "deviation": math.nan, "loss": math.inf}
"""Figures of a draw of which a fold diverged: worse than any other."""
WORST = -1e9
"""The log-likelihood that the scheduler hears of such a draw: the median of infinity and a number is none."""


@dataclass(frozen=True)
class Draw:
    """Number 0 is the recipe that the others are compared with. values: its parameters by name; held: its folds."""

    number: int
    values: dict[str, float | int]
    held: list[Held]

    @property
    def uri(self) -> str:
        """Where it stores how it stands, beside its folds, under a name that says all that decides it."""
        return f"{self.held[0].uri.removesuffix('-0.parquet')}-draw.json"


def try_all(shards: Shards, tried: list[Draw], place: str) -> list[Row]:
    """Rows as evaluation.draws writes them, in the order of `tried`. What was finished is not tried again. Within a session.

    Raises JobError.
    """
    finished = sum(_standing(draw).get("finished", False) for draw in tried)
    if finished:
        progress.say(f"going on: {finished} of {len(tried)} draws are finished")
    if finished < len(tried):
        _run(shards, tried, storage.join(place, "tune"))
    rows = []
    for draw in tried:
        standing = _standing(draw)
        rows.append({"draw": draw.number, **standing["figures"], "seconds": sum(standing["seconds"]), **draw.values})
    return rows


def judged(held: list[Held], taxonomy: Taxonomy) -> Judged:
    """What some folds found."""
    return _judged([folds.stored(each.uri) for each in held], taxonomy)


def diverged(figures: Row) -> bool:
    """Whether a fold of a draw diverged; figures: its own, or its row."""
    return bool(figures.get("log_likelihood") == -math.inf)


class Halving(AsyncHyperBandScheduler):
    """Asynchronous successive halving (Li et al. 2020) with folds for time: a draw below the median of those before it after one
    fold, two or four is stopped. Draw 0 is not, for the others are compared with it. One that diverged always is."""

    def __init__(self, tried: list[Draw], counted: "ray.actor.ActorHandle") -> None:
        n_folds = len(tried[0].held)
        super().__init__(time_attr="folds", metric="log_likelihood", mode="max", max_t=n_folds, reduction_factor=KEPT)
        self.tried, self.counted = tried, counted

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        decision: str = super().on_trial_result(tune_controller, trial, result)
        draw = self.tried[trial.config["number"]]
        if result["log_likelihood"] <= WORST:
            decision = self.STOP
        elif draw.number == 0:
            return self.CONTINUE
        if decision == self.STOP:
            _store(draw, _standing(draw) | {"finished": True})
            for _ in draw.held[result["folds"] :]:
                self.counted.add.remote("spared", 0.0)
        return decision


def _run(shards: Shards, tried: list[Draw], place: str) -> None:
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # Tune's tables give way to one line of progress of our own
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")  # Tune would end quietly, as if all had been tried
    system, path = storage.arrow_filesystem(place)
    counted = ray.remote(num_cpus=0)(tally.Tally).remote()
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(_try, shards=shards, tried=tried, counted=counted), {"CPU": 1}),
        param_space={"number": tune.grid_search([draw.number for draw in tried])},
        tune_config=tune.TuneConfig(scheduler=Halving(tried, counted), reuse_actors=True),
        run_config=tune.RunConfig(
            name="ray", storage_path=path, storage_filesystem=system, verbose=0, failure_config=tune.FailureConfig(MAX_FAILURES)
        ),
    )
    with progress.watching("tune-network, folds", sum(len(draw.held) for draw in tried), lambda: tally.progress(counted)):
        results = tuner.fit()
    for error in results.errors:
        raise job_error_behind(error) or error


def _try(config: dict[str, Any], *, shards: Shards, tried: list[Draw], counted: "ray.actor.ActorHandle") -> None:
    """Runs in a worker: one draw, or as much of it as the scheduler wants."""
    draw = tried[config["number"]]
    taxonomy = shards.taxonomy
    standing = _standing(draw)
    seconds: list[float] = standing.get("seconds", [])
    found: list[pa.Table] = []
    for n, held in enumerate(draw.held[: len(seconds)] if standing.get("finished") else draw.held, start=1):
        started = time.monotonic()
        known = n == len(seconds) and diverged(standing["figures"])
        figures = standing["figures"] if known else _after(shards, held, found, taxonomy)
        if n > len(seconds):
            seconds.append(time.monotonic() - started)
            _store(draw, {"figures": figures, "seconds": seconds, "finished": n == len(draw.held)})
        counted.add.remote("done", 0.0)
        tune.report(figures | {"log_likelihood": max(figures["log_likelihood"], WORST)})


def _after(shards: Shards, held: Held, found: list[pa.Table], taxonomy: Taxonomy) -> dict[str, float]:
    """The figures of a draw after one more fold, which is trained unless it was; what it found is added to `found`."""
    try:
        if not storage.exists(held.uri):
            folds.train_fold(shards, held)
    except Diverged:
        return DIVERGED | {"folds": len(found) + 1}
    found.append(folds.stored(held.uri))
    figures = draws.figures(_judged(found, taxonomy))
    return figures if math.isfinite(figures["log_likelihood"]) else figures | DIVERGED


def _judged(found: list[pa.Table], taxonomy: Taxonomy) -> Judged:
    """found: rows as left_out.FOUND, one table a fold."""
    scored = [segments.arrays(each, taxonomy) for each in found]
    return Judged(
        np.concatenate([calibrate.pool(each.logits, each.tracks) for each in scored]),
        np.concatenate([each.labels for each in scored]),
        np.repeat(np.arange(len(scored)), [len(each.labels) for each in scored]),
    )


def _standing(draw: Draw) -> dict[str, Any]:
    """How a draw stands: `figures` and `seconds` of its folds, and whether it is `finished`; empty if it has not done one."""
    if not storage.exists(draw.uri):
        return {}
    found: dict[str, Any] = json.loads(storage.read_needed(draw.uri))
    return found


def _store(draw: Draw, standing: dict[str, Any]) -> None:
    storage.write_bytes(draw.uri, json.dumps(standing).encode())
