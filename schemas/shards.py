"""The `shards` table: one row a segment, its spectrogram and where it comes from.

`spectrogram` holds uint8 values row by row; the table property `genre_batch.front_end` says their shape and everything
else about how they were made. `descriptors` holds the 57 of `schemas.descriptors`.
"""

import pyarrow as pa
import pyarrow.compute as pc

from schemas import contract
from schemas.descriptors import NAMES

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
        # Null where the front end does not compute them.
        pa.field("spectrogram", pa.binary()),
        pa.field("descriptors", pa.list_(pa.float64())),
    ]
)


def validate(table: pa.Table) -> None:
    """Raises ContractError."""
    contract.validate(NAME, table, ARROW, _checks, KEY)
    # pandera has no list type: the values are checked here.
    described = table["descriptors"].drop_null().combine_chunks()
    lengths, values = pc.list_value_length(described), pc.list_flatten(described)
    if not pc.all(pc.equal(lengths, len(NAMES)), min_count=0).as_py():
        raise contract.ContractError(f"table {NAME}: descriptors that are not {len(NAMES)}")
    if values.null_count or not pc.all(pc.is_finite(values), min_count=0).as_py():
        raise contract.ContractError(f"table {NAME}: descriptors that are not finite")


def _checks() -> dict[str, list[object]]:
    from pandera.pyarrow import Check

    return {
        "track_id": [Check.str_length(min_value=1)],
        "genre": [Check.str_length(min_value=1)],
        "segment": [Check.ge(0)],
        "start_s": [Check.ge(0)],
        "duration_s": [Check.gt(0)],
    }
