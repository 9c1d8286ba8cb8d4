"""The tracks of a plan spread over the cluster: each worker takes some, writes parts, and answers with its accounts."""

import pickle
from collections.abc import Callable
from typing import Any, Protocol

import pyarrow as pa
import ray
import ray.data

from genre_batch import progress
from genre_batch.cluster import session, tally
from genre_batch.cluster.run import Run, Written

MOST_TRACKS_A_CALL = 512
CALLS_PER_CPU = 8
"""Enough for an even load and little to do again when a worker is lost, few enough for parts of a useful size."""

ACTORS_PER_GPU = 4


class Worker(Protocol):
    """Made once in each worker process; does some tracks, given as rows of the inventory."""

    def __call__(self, tracks: list[dict[str, Any]]) -> Written: ...


def spread(run: Run, make_worker: Callable[["ray.actor.ActorHandle"], Worker], *, gpu: bool = False) -> list[Written]:
    """Do all tracks of the run's plan. Raises what a worker raised."""
    todo, cpus = run.plan.todo, session.cpus()
    size = max(1, min(MOST_TRACKS_A_CALL, -(-todo.num_rows // (CALLS_PER_CPU * cpus))))
    calls = [todo.slice(i, size).combine_chunks() for i in range(0, todo.num_rows, size)]
    if not calls:
        return []
    counted = tally.Tally.remote()
    most, resources = cpus, {"num_cpus": 1}
    if gpu:
        most, resources = min(cpus, ACTORS_PER_GPU * session.gpus()), {"num_cpus": 1, "num_gpus": 1 / ACTORS_PER_GPU}
    written = ray.data.from_arrow(calls).map_batches(
        _Actor,
        fn_constructor_args=(make_worker, counted),
        batch_size=None,
        batch_format="pyarrow",
        # A pool that may grow and shrink outlives a lost node; a fixed one waits for it for ever.
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=most, initial_size=min(most, len(calls))),
        **resources,
    )
    with progress.watching(run.stamp.job, todo.num_rows, lambda: tally.progress(counted)):
        return [pickle.loads(row["written"]) for row in written.iter_rows()]


class _Actor:
    def __init__(self, make_worker: Callable[["ray.actor.ActorHandle"], Worker], counted: "ray.actor.ActorHandle") -> None:
        self.work = make_worker(counted)

    def __call__(self, tracks: pa.Table) -> pa.Table:
        return pa.table({"written": [pickle.dumps(self.work(tracks.to_pylist()))]})
