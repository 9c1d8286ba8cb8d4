"""The `rejects` table: one row a track that could not be used, with the reason why."""

from enum import StrEnum

import pyarrow as pa

from schemas import contract

NAME = "rejects"
KEY = ["track_id"]


class Stage(StrEnum):
    """How far the track came before it was refused."""

    LIST = "list"
    READ = "read"
    DECODE = "decode"
    SEGMENT = "segment"
    # The process that worked on it ended, or it took too long: nobody can tell how far it came.
    WORK = "work"


class Reason(StrEnum):
    """The stable codes of column `reason`."""

    NO_GENRE = "no_genre"
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    UNDECODABLE = "undecodable"
    NOT_FINITE = "not_finite"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    SILENT = "silent"
    TOO_SLOW = "too_slow"
    CRASHED = "crashed"


ARROW = pa.schema(
    [
        pa.field("track_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("stage", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("detail", pa.string(), nullable=False),
        pa.field("content_version", pa.string(), nullable=False),
        pa.field("bundle_id", pa.string()),
        pa.field("front_end", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("rejected_at", pa.timestamp("us", tz="UTC"), nullable=False),
        # When a run found the object gone from the library; null while it is there.
        pa.field("deleted_at", pa.timestamp("us", tz="UTC")),
    ]
)


def validate(table: pa.Table) -> None:
    """Raises ContractError."""
    contract.validate(NAME, table, ARROW, _checks, KEY)


def _checks() -> dict[str, list[object]]:
    from pandera.pyarrow import Check

    return {
        "track_id": [Check.str_length(min_value=1)],
        "stage": [Check.isin([stage.value for stage in Stage])],
        "reason": [Check.isin([reason.value for reason in Reason])],
    }
