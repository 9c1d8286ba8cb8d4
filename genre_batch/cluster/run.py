"""What every run over a library has in common: an id, a plan, answers that must account for every track, and commits."""

import json
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from types import ModuleType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import genre_batch
from genre_batch import durations, interrupts
from genre_batch.cluster.accounts import Stamp, Written
from genre_batch.cluster.metrics import Meter, Stage
from genre_batch.errors import ContractViolated, Missing, StoreUnreachable, TooManyRejects
from genre_batch.evaluation.drift import Drift
from genre_batch.evaluation.profile import Profile
from genre_batch.tables import retries, store
from genre_batch.tables.plan import Plan
from genre_batch.tables.store import Receipt, Writer
from schemas import rejects, runs
from schemas.runs import State

FEW_REJECTS = 3
"""So few never stop a run, or one bad file among a night's three new ones would."""


def new_run_id() -> str:
    """Sorts by time: 20261122T171500-3f2a9c."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class CommitEvery:
    """How much work may be lost when a run is killed: so many seconds or so many tracks, whichever is given."""

    seconds: float | None = None
    tracks: int | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """`30s`, `5m`, `1h`, or a number of tracks. Raises UsageError."""
        if text.isdecimal() and int(text):
            return cls(tracks=int(text))
        return cls(seconds=durations.seconds(text, "--commit-every"))

    def is_due(self, seconds: float, tracks: int) -> bool:
        return (self.seconds is not None and seconds >= self.seconds) or (self.tracks is not None and tracks >= self.tracks)


@dataclass(frozen=True)
class Summary:
    """The accounts of a run: listed = done + rejected + unchanged + remaining."""

    run_id: str
    listed: int
    done: int
    rejected: int
    unchanged: int
    remaining: int
    not_audio: int
    deleted: int
    returned: int
    audio_s: float


@dataclass
class Run:
    """One run of a job that publishes rows of `contracts` and rejects.

    The first of `contracts` is the one that a track's row is in; others hang on it and are committed before it.
    """

    stamp: Stamp
    writer: Writer
    contracts: Sequence[ModuleType]
    library: str
    not_audio: int
    plan: Plan
    max_reject_fraction: float
    commit_every: CommitEvery = CommitEvery()
    parameters: dict[str, object] = field(default_factory=dict)
    judge: Callable[[Profile], Drift] | None = None
    """Compares what a finished run found with what is expected."""

    still_mine: Callable[[], None] = lambda: None
    """Raises TablesHeld if the lock was lost."""

    def __post_init__(self) -> None:
        self.meter = Meter(self.stamp.job)
        self.started_at, self.started = datetime.now(UTC), time.monotonic()
        self.committed_at = self.started
        self.published: tuple[Summary, Profile] | None = None
        self.state: State | None = None
        """As it was committed last."""

        self.refused_again = 0
        """Tracks that were tried, and had been refused before."""

        self.announced = False
        """Whether the runs table has a row of this run."""

        self.profile = Profile()
        self.left = 0
        self.drift: Drift | None = None
        self.summary = Summary(
            self.stamp.run_id,
            listed=self.plan.listed,
            done=0,
            rejected=0,
            unchanged=self.plan.unchanged,
            remaining=self.plan.todo,
            not_audio=self.not_audio,
            deleted=self.plan.deleted,
            returned=self.plan.returned,
            audio_s=0.0,
        )
        self.begun = self.summary
        self._forget()

    def _forget(self) -> None:
        """What was gathered since the last commit."""
        self.receipts: dict[str, list[Receipt]] = defaultdict(list)
        self.done_before: list[str] = []
        self.refused_before: list[str] = []
        self.new: list[datetime | None] = []
        """When each recording was last changed that had no row before."""

        self.tracks = 0

    def publish(self, answers: Iterable[tuple[pa.Table, Written]]) -> Summary:
        """Commit what workers answer for tracks of the plan, at intervals and at the end.

        Raises ContractViolated, TooManyRejects, TablesHeld, StoreUnreachable: nothing of the commit under way is published then,
        and what was committed before stays. A KeyboardInterrupt passes through when what is there was committed.
        """
        try:
            for tracks, written in answers:
                with interrupts.held_back():
                    self._take(tracks, written)
                    if self.tracks and self.commit_every.is_due(time.monotonic() - self.committed_at, self.tracks):
                        self._commit(State.RUNNING)
            with interrupts.held_back():
                self._refuse_lost()
                self._refuse_too_many_rejects(of=self.summary.done + self.summary.rejected)
                self._commit(self._end())
        except KeyboardInterrupt:
            if self.state is not self._end():
                with interrupts.held_back():
                    self._commit(self._end())
            raise
        except BaseException:
            self._tell_failure()
            raise
        return self.summary

    def _end(self) -> State:
        return State.STOPPED if self.summary.remaining else State.FINISHED

    def _take(self, tracks: pa.Table, written: Written) -> None:
        left = set(written.left)
        tried = [track_id for track_id in tracks["track_id"].to_pylist() if track_id not in left]
        if written.done + written.rejected != len(tried) or written.checksum != store.checksum(tried):
            raise ContractViolated(
                f"{len(tried)} tracks were to be done, {written.done} were done and {written.rejected} rejected, or one of them "
                f"twice: the accounts do not balance, {self._kept()}"
            )
        for receipt in written.receipts:
            self.receipts[receipt.table].append(receipt)
        for column, known in (("done_before", self.done_before), ("refused_before", self.refused_before)):
            ids = tracks.filter(tracks[column])["track_id"].to_pylist()
            known += [track_id for track_id in ids if track_id not in left]
        self.refused_again += pc.sum(tracks["refused_before"]).as_py() or 0
        new = tracks.filter(pc.invert(pc.or_(tracks["done_before"], tracks["refused_before"])))
        self.new += [
            row["modified_at"] for row in new.select(["track_id", "modified_at"]).to_pylist() if row["track_id"] not in left
        ]
        self.tracks += len(tried)
        self.left += len(left)
        self.profile += written.profile
        now = self.summary
        self.summary = replace(
            now,
            done=now.done + written.done,
            rejected=now.rejected + written.rejected,
            remaining=now.remaining - len(tried),
            audio_s=now.audio_s + written.audio_s,
        )
        # As soon as it is certain that the whole run has too many.
        self._refuse_too_many_rejects(of=self.plan.todo)

    def _refuse_lost(self) -> None:
        lost = self.summary.remaining - self.left
        # When workers ran out of time, later parts of the plan were not asked for.
        if lost and not self.left:
            raise ContractViolated(f"{lost} tracks of the plan were never answered for, {self._kept()}")

    def _refuse_too_many_rejects(self, *, of: int) -> None:
        most = max(FEW_REJECTS, self.max_reject_fraction * of) if self.max_reject_fraction else 0
        # Those that are tried every night would otherwise stop the first quiet one.
        most += self.refused_again
        if self.summary.rejected > most:
            reasons = sorted(self.profile.reasons.items(), key=lambda item: -item[1])
            raise TooManyRejects(
                f"{self.summary.rejected} of {of} tracks were rejected "
                f"({', '.join(f'{n} {reason}' for reason, n in reasons)}), more than --max-reject-fraction "
                f"{self.max_reject_fraction:g} allows; {self._kept()}{self._example()}"
            )

    def _example(self) -> str:
        """One of the rejected tracks, as its row tells it; that none can be read matters less than that there are too many."""
        for receipt in self.receipts[rejects.NAME]:
            try:
                row = store.part(self.stamp.url, receipt).slice(0, 1).to_pylist()[0]
            except (Missing, StoreUnreachable):
                break
            return f". One of them is {row['uri']}: {row['detail']}"
        return ""

    def _kept(self) -> str:
        return "what was committed before stays" if self.published else "nothing was published"

    def _commit(self, state: State) -> None:
        """What goes, goes first: a run killed in between leaves a track in no table, to be done again, and never in two."""
        # Every row is validated and stored before the first table is committed.
        told = self._told(state, self.summary, self.profile)
        with self.meter.timing(Stage.COMMIT):
            self._commit_tables(told)
        self.meter.published(self.new, datetime.now(UTC))
        self.meter.state(state)
        if self.drift:
            self.meter.drift(self.drift)
        self.published, self.state = (self.summary, self.profile), state
        self.committed_at = time.monotonic()
        self._forget()

    def _commit_tables(self, told: Receipt) -> None:
        self.still_mine()
        first, *others = self.contracts
        if others and not self.announced:
            # Before rows that hang on others: if this run is killed between the two, the next one knows whose they are.
            self._tell(self._told(State.RUNNING, self.begun, Profile()))
        if self.refused_before:
            self.writer.commit(rejects, [], stale=self.refused_before)
        for contract in others:
            self.writer.commit(contract, self.receipts[contract.NAME], stale=self.done_before + self.refused_before)
        self.writer.commit(first, self.receipts[first.NAME], stale=self.done_before)
        self.writer.commit(rejects, self.receipts[rejects.NAME])
        if self.published is None:
            self._mark()
        self._tell(told)

    def _tell(self, told: Receipt) -> None:
        self.writer.commit(runs, [told], stale=[self.stamp.run_id] if self.announced else [])
        self.announced = True

    def _mark(self) -> None:
        if self.plan.marks is None:
            return
        for contract in (self.contracts[0], rejects):
            of_table = pc.field("table") == contract.NAME
            marks = pq.read_table(self.plan.marks, columns=["track_id", "deleted_at"], filters=of_table)
            if marks.num_rows:
                self.writer.mark(contract, marks)

    def _tell_failure(self) -> None:
        """On the run's row, if it has one; why it failed matters more than that it cannot be told."""
        if self.announced:
            retries.briefly(self._commit_failure)

    def _commit_failure(self) -> None:
        summary, profile = self.published or (self.begun, Profile())
        self._tell(self._told(State.FAILED, summary, profile))
        self.meter.state(State.FAILED)

    def _told(self, state: State, summary: Summary, profile: Profile) -> Receipt:
        """The run's own row, written as a part."""
        elapsed_s = time.monotonic() - self.started
        row: dict[str, Any] = asdict(summary) | profile.to_row()
        if self.judge and state is State.FINISHED:
            self.drift = self.judge(profile)
            row |= self.drift.to_row()
        row |= {
            "job": self.stamp.job,
            "state": state.value,
            "library": self.library,
            "bundle_id": self.stamp.bundle_id,
            "front_end": self.stamp.front_end,
            "code_version": genre_batch.__version__,
            "parameters": json.dumps(self.parameters),
            "tracks_per_s": (summary.done + summary.rejected) / elapsed_s,
            "started_at": self.started_at,
            "finished_at": datetime.now(UTC),
        }
        return store.write_part(self.stamp.url, runs, pa.Table.from_pylist([row], runs.ARROW))
