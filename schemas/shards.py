"""The `shards` table: one row a segment, its spectrogram and where it comes from.

`spectrogram` holds uint8 values row by row; the table property `genre_batch.front_end` says their shape and everything
else about how they were made.
"""

import pyarrow as pa

from schemas import contract

NAME = "shards"
KEY = ["track_id", "segment"]

ARROW = pa.schema(
    [
        pa.field("track_id", pa.string(), nullable=False),
        pa.field("segment", pa.int32(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("genre", pa.string(), nullable=False),
        pa.field("artist", pa.string()),
        pa.field("uri", pa.string(), nullable=False),
        pa.field("duration_s", pa.float64(), nullable=False),
        pa.field("content_version", pa.string(), nullable=False),
        pa.field("front_end", pa.string(), nullable=False),
        pa.field("spectrogram", pa.binary(), nullable=False),
    ]
)


def validate(table: pa.Table) -> None:
    """Raises ContractError."""
    contract.validate(NAME, table, ARROW, _checks, KEY)


def _checks() -> dict[str, list[object]]:
    from pandera.pyarrow import Check

    return {
        "track_id": [Check.str_length(min_value=1)],
        "genre": [Check.str_length(min_value=1)],
        "segment": [Check.ge(0)],
        "start_s": [Check.ge(0)],
        "duration_s": [Check.gt(0)],
    }
