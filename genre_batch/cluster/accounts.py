"""What a worker is told and what it answers: every track of a call comes back as done, as rejected, or as left."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from genre_batch.errors import Missing, TrackError
from genre_batch.evaluation.profile import Profile
from genre_batch.limits import Limits
from genre_batch.tables import storage, store
from genre_batch.tables.store import Receipt


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
            "deleted_at": None,
        }


@dataclass(frozen=True)
class Written:
    """What one worker made of some tracks: parts on storage, and the accounts of them."""

    receipts: list[Receipt]
    done: int
    rejected: int
    left: list[str]
    """Track ids that it did not come to, because the time of the run was over."""

    audio_s: float
    checksum: int
    """Of the track ids done and rejected."""

    profile: Profile


def account(
    parts: list[Receipt],
    done: Sequence[str],
    refused: list[dict[str, Any]],
    audio_s: float,
    profile: Profile,
    left: Sequence[str] = (),
) -> Written:
    """The accounts of one call of a worker."""
    return Written(
        receipts=parts,
        done=len(done),
        rejected=len(refused),
        left=list(left),
        audio_s=audio_s,
        checksum=store.checksum([*done, *(row["track_id"] for row in refused)]),
        profile=profile,
    )


def read_track(track: dict[str, Any], limits: Limits) -> bytes:
    """The bytes of a track of the inventory. Raises Missing if there are none, TooLarge, Forbidden, StoreUnreachable."""
    if track["size"] is None:
        raise Missing(f"{track['uri']} is not there")
    return storage.read_bytes(track["uri"], most=limits.bytes)
