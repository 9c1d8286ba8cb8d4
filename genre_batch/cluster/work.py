"""The tracks of a plan spread over the cluster: each worker takes some, writes parts, and answers with its accounts."""

import logging
import pickle
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import Any, Protocol

import pyarrow as pa
import ray
import ray.data
from ray.data import DataContext
from ray.exceptions import (
    LocalRayletDiedError,
    NodeDiedError,
    ObjectLostError,
    OutOfMemoryError,
    RayTaskError,
    WorkerCrashedError,
)
from ray.util.annotations import RayDeprecationWarning

from genre_batch import progress
from genre_batch.cluster import session, tally
from genre_batch.cluster.accounts import Stamp, Written, account
from genre_batch.cluster.blocks import blocks
from genre_batch.cluster.metrics import Meter
from genre_batch.errors import Crashed, JobError
from genre_batch.evaluation.profile import Profile
from genre_batch.tables import store
from genre_batch.tables.plan import Plan
from schemas import rejects

SHARE = 1.5
LEAST_TRACKS = 16
"""A call gets this share of what a slot has left: long ones first, for between two calls a slot waits a tenth of a second, then shorter
and shorter ones, so that all end together (guided self-scheduling, Polychronopoulos and Kuck 1987)."""

WINDOW_PER_CPU = 4096
LEAST_WINDOW = 65_536
"""Tracks that the cluster holds at a time, so that memory does not grow with the plan."""

ATTEMPTS = 3
"""So often the process that works on a track may end before the track is refused: once with its neighbours, then alone."""

WORKERS_PER_GPU = 4

LOSSES = (WorkerCrashedError, NodeDiedError, OutOfMemoryError, ObjectLostError, LocalRayletDiedError)


class Worker(Protocol):
    """Does some tracks, given as rows of the inventory."""

    def __call__(self, tracks: list[dict[str, Any]]) -> Written: ...


MakeWorker = Callable[[Any], Worker]


@dataclass(frozen=True)
class Spread:
    """How the tracks of a plan are done; most: tracks in one call."""

    stamp: Stamp
    make_worker: MakeWorker
    most: int = 512
    gpu: bool = False

    def over(self, plan: Plan) -> Generator[tuple[pa.Table, Written], None, None]:
        """The tracks of each call and what the worker says of them, as they come. Raises the JobError of a worker.

        To be closed before Ray is, or what shows the progress would start another.
        """
        if not plan.todo:
            return
        counted = ray.remote(num_cpus=0)(tally.Tally).remote()
        rows = max(LEAST_WINDOW, WINDOW_PER_CPU * session.cpus())
        seen = Meter(self.stamp.job).standing
        with progress.watching(self.stamp.job, plan.todo, lambda: tally.progress(counted), seen):
            for window in plan.batches(rows):
                left = False
                for tracks, written in self._window(window, counted):
                    left = left or bool(written.left)
                    yield tracks, written
                if left:
                    # Its workers ran out of time: so would those of the next.
                    return

    def _window(self, window: pa.Table, counted: Any) -> Iterator[tuple[pa.Table, Written]]:
        sizes = _sizes(window.num_rows, self.most, session.cpus())
        for attempt in range(ATTEMPTS):
            starts = accumulate(sizes, initial=0)
            calls = [window.slice(start, size).combine_chunks() for start, size in zip(starts, sizes, strict=False)]
            lost = set(range(len(calls)))
            errors: list[BaseException] = []
            for call, written in self._calls(calls, counted, errors):
                lost.remove(call)
                yield calls[call], written
            if not lost:
                return
            window = pa.concat_tables([calls[call] for call in sorted(lost)])
            sizes = [1] * window.num_rows
            if attempt < ATTEMPTS - 1:
                progress.say(f"{len(lost)} workers ended before their time: {window.num_rows} tracks are done again one by one")
        for error in errors:
            if not _is_loss(error):
                raise WorkerFailedError(f"tasks end before they begin to work: {error}") from error
        yield window, self._crashed(window.to_pylist())

    def _calls(self, calls: list[pa.Table], counted: Any, errors: list[BaseException]) -> Iterator[tuple[int, Written]]:
        """The number of each call that was answered, and its answer; `errors` gets what the others ended with."""
        resources = {"num_cpus": 1.0} | ({"num_gpus": 1 / WORKERS_PER_GPU} if self.gpu else {})
        numbered = [
            tracks.append_column("call", pa.array([number] * tracks.num_rows, pa.int64()))
            for number, tracks in enumerate(calls)
        ]
        with _lost_calls_found_here(errors), warnings.catch_warnings():
            # Ray 2.60 deprecates remote arguments without a name of their own in map_batches, and has no name for this one.
            warnings.simplefilter("ignore", RayDeprecationWarning)
            answers = ray.data.from_arrow(numbered).map_batches(
                partial(_call, run_id=self.stamp.run_id, make_worker=self.make_worker, counted=counted),
                batch_size=None,
                batch_format="pyarrow",
                # Tasks, not actors: a lost node costs only the tasks that ran there, and nothing waits for its actors to come back.
                # As many as there is room for: a cluster may grow while it works.
                compute=ray.data.TaskPoolStrategy(),
                # Ray would try a call that dies for want of memory for ever.
                max_retries=0,
                **resources,
            )
            for block in blocks(answers):
                for row in block.to_pylist():
                    yield row["call"], _unpacked(row["answer"])

    def _crashed(self, tracks: list[dict[str, Any]]) -> Written:
        """The driver's own answer for tracks that no worker lived to answer for."""
        refused = [
            self.stamp.reject(
                track,
                Crashed(
                    f"{track['uri']}: the process that worked on it ended {ATTEMPTS} times, in a crash or for want of memory"
                ),
            )
            for track in tracks
        ]
        part = store.write_part(self.stamp.url, rejects, pa.Table.from_pylist(refused, rejects.ARROW))
        return account([part], [], refused, 0.0, Profile.of([], refused))


def _sizes(n_tracks: int, most: int, slots: int) -> list[int]:
    """Of the calls; each slot has at least one where there are tracks enough."""
    sizes: list[int] = []
    while left := n_tracks - sum(sizes):
        share = -(-left // max(1, round(SHARE * slots)))
        sizes.append(min(left, most, max(share, min(LEAST_TRACKS, -(-n_tracks // slots)))))
    return sizes


@contextmanager
def _lost_calls_found_here(errors: list[BaseException]) -> Iterator[None]:
    """A worker that ends costs its call, not the run: the accounts show what is lost, and Ray need not say so at length."""

    def heard(record: logging.LogRecord) -> bool:
        if not record.exc_info or record.exc_info[1] is None:
            return True
        errors.append(record.exc_info[1])
        return False

    context, said = DataContext.get_current(), logging.getLogger("ray.data._internal.execution.streaming_executor_state")
    before = context.max_errored_blocks
    context.max_errored_blocks = -1
    said.addFilter(heard)
    try:
        yield
    finally:
        context.max_errored_blocks = before
        said.removeFilter(heard)


def _is_loss(error: BaseException) -> bool:
    """A process, a node or what it held is gone; else the task itself failed, or could not be made."""
    return isinstance(error.cause if isinstance(error, RayTaskError) else error, LOSSES)


class WorkerFailedError(Exception):
    """A defect that a worker met; the message holds its trace."""


_workers: dict[str, Worker] = {}
"""The worker of the run that this process works for; a model is loaded once a process, not once a call."""


def _call(tracks: pa.Table, *, run_id: str, make_worker: MakeWorker, counted: Any) -> pa.Table:
    number = tracks["call"][0].as_py()
    answer: Written | Exception
    try:
        if run_id not in _workers:
            _workers.clear()
            _workers[run_id] = make_worker(counted)
        answer = _workers[run_id](tracks.drop_columns("call").to_pylist())
    except JobError as error:
        # As an answer it arrives as it is; raised through Ray, its sentence would end up inside a trace.
        answer = error
    except Exception:  # noqa: BLE001 - raised again by the driver: here it would be taken for a worker that died
        answer = WorkerFailedError(traceback.format_exc())
    return pa.table({"call": [number], "answer": [pickle.dumps(answer)]})


def _unpacked(answer: bytes) -> Written:
    found = pickle.loads(answer)
    if isinstance(found, Exception):
        raise found
    assert isinstance(found, Written)
    return found
