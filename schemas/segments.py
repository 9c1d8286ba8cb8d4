"""The `segments` table: one row a segment of a labelled track, on request; the timeline of a track."""

import pyarrow as pa

from schemas import contract, labels

NAME = "segments"
KEY = ["track_id", "segment"]

ARROW = pa.schema(
    [
        pa.field("track_id", pa.string(), nullable=False),
        # Position in segment hops; positions that were left out, silent ones for instance, have no row.
        pa.field("segment", pa.int32(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        # The most probable genre, and its calibrated probability.
        pa.field("best_genre", pa.string(), nullable=False),
        pa.field("confidence", pa.float64(), nullable=False),
        pa.field("probabilities", pa.map_(pa.string(), pa.float64()), nullable=False),
        pa.field("bundle_id", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
    ]
)


def validate(table: pa.Table) -> None:
    """Raises ContractError; probabilities must lie in 0..1 and sum to 1 within 0.001 in each row."""
    contract.validate(NAME, table, ARROW, _checks, KEY)
    labels.validate_probabilities(NAME, table)


def _checks() -> dict[str, list[object]]:
    from pandera.pyarrow import Check

    return {
        "track_id": [Check.str_length(min_value=1)],
        "segment": [Check.ge(0)],
        "start_s": [Check.ge(0)],
        "confidence": [Check.in_range(0, 1)],
    }
