"""`label-catalog`: every track of a library gets a row in `labels` or in `rejects`."""

import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType

from genre_batch import progress
from genre_batch.choices import Layout
from genre_batch.cluster import halves, session
from genre_batch.cluster.accounts import Stamp
from genre_batch.cluster.labeller import Labeller
from genre_batch.cluster.run import CommitEvery, Run, Summary, new_run_id
from genre_batch.cluster.work import Spread
from genre_batch.errors import UsageError
from genre_batch.evaluation import drift, reference
from genre_batch.evaluation.drift import Drift
from genre_batch.evaluation.profile import Profile
from genre_batch.limits import Limits
from genre_batch.models import bundle as bundles
from genre_batch.models.bundle import Bundle
from genre_batch.tables import delta, library, lock, plan, storage, store
from genre_batch.tables.store import Writer
from schemas import labels, runs, segments

MOST_TRACKS_A_CALL = 128
"""Some ten seconds of work for songs: what a lost worker costs, and what a commit waits for."""
MOST_OF_MANY, MANY = 512, 200_000
"""In runs over so many tracks: a table has as many new files as there are calls."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What `label-catalog` is asked for.

    relabel: what is done again although it is done: None, `all`, `older-bundle`, `rejected`, or an SQL predicate over labels.
    max_minutes: after so long no further track is begun. timeline: write the rows of segments too.
    """

    library_url: str
    bundle_url: str
    tables: str
    relabel: str | None = None
    commit_every: CommitEvery = field(default_factory=lambda: CommitEvery(seconds=30))
    max_minutes: float | None = None
    max_reject_fraction: float = 0.1
    timeline: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Night:
    """What a run came to; `drift` is None for one that did not finish."""

    summary: Summary
    drift: Drift | None


def label_catalog(asked: Request) -> Night:
    """Label what is new or changed. Raises JobError; what was committed before stays."""
    bundle = bundles.load(asked.bundle_url)
    until = time.time() + 60 * asked.max_minutes if asked.max_minutes else None
    run_id, tables = new_run_id(), storage.normal(asked.tables)
    with (
        progress.about(job="label-catalog", run_id=run_id),
        lock.held(tables, run_id) as held,
        session.session(),
        tempfile.TemporaryDirectory(prefix="genre-batch-") as folder,
    ):
        listing = library.write(asked.library_url, Layout.TREE, f"{folder}/listing.parquet")
        # Before anything reads the tables, so that a commit of somebody else after it is noticed.
        writer = Writer(tables, run_id)
        halves.complete(tables, writer, folder)
        front_end = bundle.front_end.digest
        todo = plan.for_labels(
            listing, tables, bundle_id=bundle.bundle_id, front_end=front_end, relabel=asked.relabel, folder=folder
        )
        if todo.deleted and not todo.listed:
            raise UsageError(
                f"{listing.url} holds no recording, and {todo.deleted} of its tracks are in {tables}: is it mounted? "
                "Nothing was marked as gone"
            )
        progress.say(
            f"{todo.listed} recordings listed: {todo.todo} to do, {todo.unchanged} unchanged, {todo.deleted} gone since",
            listed=todo.listed,
            todo=todo.todo,
            unchanged=todo.unchanged,
            deleted=todo.deleted,
        )
        stamp = Stamp("label-catalog", tables, run_id, front_end, bundle.bundle_id)
        # Without --segments too, what is labelled anew loses the timeline of its older label.
        timelines = asked.timeline or delta.open_table(tables, segments.NAME) is not None
        contracts: list[ModuleType] = [labels, segments] if timelines else [labels]
        run = Run(
            stamp,
            writer,
            contracts,
            listing.url,
            listing.not_audio,
            todo,
            asked.max_reject_fraction,
            commit_every=asked.commit_every,
            parameters=_parameters(asked),
            judge=partial(_judge, bundle, stamp, listing.url),
            still_mine=held.still_mine,
        )
        gpu = session.gpus() > 0
        worker = partial(
            Labeller,
            stamp,
            bundles.travelling(asked.bundle_url),
            asked.limits,
            until=until,
            timeline=asked.timeline,
            gpu=gpu,
        )
        most = MOST_TRACKS_A_CALL if todo.todo < MANY else MOST_OF_MANY
        with closing(Spread(stamp, worker, most=most, gpu=gpu).over(todo)) as answers:
            summary = run.publish(answers)
        return Night(summary, run.drift)


def _judge(bundle: Bundle, stamp: Stamp, library_url: str, found: Profile) -> Drift:
    told = store.read(stamp.url, runs.NAME, runs.ARROW, reference.NEEDED)
    before = reference.before(told, run_id=stamp.run_id, job=stamp.job, library=library_url, bundle_id=bundle.bundle_id)
    return drift.judge(before.continued + found, previous=before.previous, bundle=reference.of(bundle))


def _parameters(asked: Request) -> dict[str, object]:
    """What the runs table keeps of the request, besides what has columns of its own."""
    return {
        "bundle": storage.told(asked.bundle_url),
        "relabel": asked.relabel,
        "max_minutes": asked.max_minutes,
        "max_reject_fraction": asked.max_reject_fraction,
        "segments": asked.timeline,
        "cores": session.cpus(),
    }
