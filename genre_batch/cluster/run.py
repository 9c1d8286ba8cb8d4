"""What every run over a library has in common: an id, a plan, receipts that must account for every track, one publication."""

import secrets
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import pyarrow as pa

import genre_batch
from genre_batch.errors import ContractViolated, Missing, TooManyRejects, TrackError
from genre_batch.tables import storage, store
from genre_batch.tables.library import Library
from genre_batch.tables.plan import Plan
from genre_batch.tables.store import Receipt
from schemas import rejects, runs

FEW_REJECTS = 3
"""So few never stop a run, or one bad file among a night's three new ones would."""


def new_run_id() -> str:
    """Sorts by time: 20261122T171500-3f2a9c."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(3)}"


@dataclass(frozen=True)
class Stamp:
    """What a run writes on each row; travels to every worker, so it is small."""

    job: str
    url: str
    run_id: str
    front_end: str
    bundle_id: str | None = None

    def reject(self, track: dict[str, object], error: TrackError) -> dict[str, object]:
        """The row of the rejects table for a track of the inventory."""
        return {
            "track_id": track["track_id"],
            "uri": track["uri"],
            "stage": error.stage.value,
            "reason": error.reason.value,
            "detail": str(error),
            "content_version": track["content_version"],
            "bundle_id": self.bundle_id,
            "front_end": self.front_end,
            "run_id": self.run_id,
            "rejected_at": datetime.now(UTC),
        }


@dataclass(frozen=True)
class Run:
    """One run of a job that publishes `contract` rows and rejects."""

    stamp: Stamp
    contract: ModuleType
    library: Library
    plan: Plan
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def publish(self, written: Iterable["Written"], max_reject_fraction: float) -> "Summary":
        """Check that every planned track came back once, then commit all tables.

        Raises ContractViolated, TooManyRejects (in both cases nothing was published), TablesHeld, StoreUnreachable.
        """
        written = list(written)
        done, refused = (sum(getattr(w, name) for w in written) for name in ("done", "rejected"))
        summary = Summary(
            self.stamp.run_id,
            self.plan.listed,
            done,
            refused,
            self.plan.unchanged,
            self.library.not_audio,
            sum(w.audio_s for w in written),
        )
        todo = self.plan.todo["track_id"].to_pylist()
        if done + refused != len(todo) or sum(w.checksum for w in written) % 2**64 != store.checksum(todo):
            raise ContractViolated(
                f"{len(todo)} tracks were to be done, {done} were done and {refused} rejected, or one of them twice: "
                "the accounts do not balance, nothing was published"
            )
        if refused > (max(FEW_REJECTS, max_reject_fraction * len(todo)) if max_reject_fraction else 0):
            raise TooManyRejects(
                f"{refused} of {len(todo)} tracks were rejected ({_reasons(written)}), more than --max-reject-fraction "
                f"{max_reject_fraction:g} allows; nothing was published"
            )
        receipts = defaultdict(list)
        for receipt in (receipt for w in written for receipt in w.receipts):
            receipts[receipt.table].append(receipt)
        # Every row is validated and stored before the first table is committed.
        receipts[runs.NAME].append(
            store.write_part(self.stamp.url, runs, pa.Table.from_pylist([self._row(summary)], runs.ARROW))
        )
        # What goes, goes first: a run killed in between leaves a track in no table, to be done again, and never in two.
        store.commit(self.stamp.url, rejects, [], replaced=todo, run_id=self.stamp.run_id)
        for contract, replaced in ((self.contract, todo), (rejects, []), (runs, [])):
            store.commit(self.stamp.url, contract, receipts[contract.NAME], replaced=replaced, run_id=self.stamp.run_id)
        return summary

    def _row(self, summary: "Summary") -> dict[str, object]:
        return asdict(summary) | {
            "job": self.stamp.job,
            "library": self.library.url,
            "bundle_id": self.stamp.bundle_id,
            "front_end": self.stamp.front_end,
            "code_version": genre_batch.__version__,
            "started_at": self.started_at,
            "finished_at": datetime.now(UTC),
        }


@dataclass(frozen=True)
class Written:
    """What one worker made of some tracks: parts on storage, and the accounts of them."""

    receipts: list[Receipt]
    done: int
    rejected: int
    audio_s: float
    checksum: int
    reasons: dict[str, int]


@dataclass(frozen=True)
class Summary:
    """The accounts of a run: listed = done + rejected + unchanged."""

    run_id: str
    listed: int
    done: int
    rejected: int
    unchanged: int
    not_audio: int
    audio_s: float


def _reasons(written: list[Written]) -> str:
    total: dict[str, int] = defaultdict(int)
    for w in written:
        for reason, n in w.reasons.items():
            total[reason] += n
    return ", ".join(f"{n} {reason}" for reason, n in sorted(total.items(), key=lambda item: -item[1]))


def read_track(track: dict[str, Any]) -> bytes:
    """The bytes of a track of the inventory. Raises Missing if there are none, StoreUnreachable."""
    if track["size"] is None:
        raise Missing(f"{track['uri']} is not there")
    return storage.read_bytes(track["uri"])


def account(parts: list[Receipt], done: list[str], refused: list[dict[str, Any]], audio_s: float) -> Written:
    """The accounts of one call of a worker."""
    reasons = [row["reason"] for row in refused]
    return Written(
        receipts=parts,
        done=len(done),
        rejected=len(refused),
        audio_s=audio_s,
        checksum=store.checksum([*done, *(row["track_id"] for row in refused)]),
        reasons={reason: reasons.count(reason) for reason in set(reasons)},
    )
