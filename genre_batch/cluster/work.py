"""The tracks of a plan spread over the cluster: each worker takes some, writes parts, and answers with its accounts."""

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import pyarrow as pa
import ray
import ray.data

from genre_batch import progress
from genre_batch.cluster import session, tally
from genre_batch.cluster.run import Run, Written
from genre_batch.errors import JobError

MOST_TRACKS_A_CALL = 512
CALLS_PER_CPU = 8
"""Enough for an even load and little to do again when a worker is lost, few enough for parts of a useful size."""

WORKERS_PER_GPU = 4


class Worker(Protocol):
    """Does some tracks, given as rows of the inventory."""

    def __call__(self, tracks: list[dict[str, Any]]) -> Written: ...


def spread(run: Run, make_worker: Callable[[Any], Worker], *, gpu: bool = False) -> list[Written]:
    """Do all tracks of the run's plan. Raises the JobError of a worker."""
    todo, cpus = run.plan.todo, session.cpus()
    size = max(1, min(MOST_TRACKS_A_CALL, -(-todo.num_rows // (CALLS_PER_CPU * cpus))))
    calls = [todo.slice(i, size).combine_chunks() for i in range(0, todo.num_rows, size)]
    if not calls:
        return []
    counted = ray.remote(num_cpus=0)(tally.Tally).remote()
    most, resources = cpus, {"num_cpus": 1.0}
    if gpu:
        most, resources = min(cpus, WORKERS_PER_GPU * session.gpus()), {"num_cpus": 1.0, "num_gpus": 1 / WORKERS_PER_GPU}
    written = ray.data.from_arrow(calls).map_batches(
        partial(_call, run_id=run.stamp.run_id, make_worker=make_worker, counted=counted),
        batch_size=None,
        batch_format="pyarrow",
        # Tasks, not actors: a lost node costs only the tasks that ran there, and nothing waits for its actors to come back.
        compute=ray.data.TaskPoolStrategy(size=min(most, len(calls))),
        **resources,
    )
    with progress.watching(run.stamp.job, todo.num_rows, lambda: tally.progress(counted)):
        return [_unpacked(row["answer"]) for row in written.iter_rows()]


_workers: dict[str, Worker] = {}
"""The worker of the run that this process works for; a model is loaded once a process, not once a call."""


def _call(tracks: pa.Table, *, run_id: str, make_worker: Callable[[Any], Worker], counted: Any) -> pa.Table:
    answer: Written | JobError
    try:
        if run_id not in _workers:
            _workers.clear()
            _workers[run_id] = make_worker(counted)
        answer = _workers[run_id](tracks.to_pylist())
    except JobError as error:
        # As an answer it arrives as it is; raised through Ray, its sentence would end up inside a trace.
        answer = error
    return pa.table({"answer": [pickle.dumps(answer)]})


def _unpacked(answer: bytes) -> Written:
    found = pickle.loads(answer)
    if isinstance(found, JobError):
        raise found
    assert isinstance(found, Written)
    return found
