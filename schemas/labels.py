"""The `labels` table: one row a track, its genre and how sure that is."""

import pyarrow as pa
import pyarrow.compute as pc

from schemas import contract

NAME = "labels"
KEY = ["track_id"]
SUM_TOLERANCE = 1e-3

ARROW = pa.schema(
    [
        pa.field("track_id", pa.string(), nullable=False),
        pa.field("uri", pa.string(), nullable=False),
        # A genre of the bundle's taxonomy, or `unknown` where confidence is below the bundle's threshold.
        pa.field("genre", pa.string(), nullable=False),
        # Calibrated probability of the most probable genre, whether it was given or withheld.
        pa.field("confidence", pa.float64(), nullable=False),
        pa.field("best_genre", pa.string(), nullable=False),
        pa.field("runner_up", pa.string()),
        pa.field("probabilities", pa.map_(pa.string(), pa.float64()), nullable=False),
        pa.field("segments_used", pa.int32(), nullable=False),
        pa.field("duration_s", pa.float64(), nullable=False),
        # Root mean square of the mono recording in dB, 0 for a square wave at full scale.
        pa.field("loudness_db", pa.float64()),
        pa.field("content_version", pa.string(), nullable=False),
        pa.field("bundle_id", pa.string(), nullable=False),
        pa.field("front_end", pa.string(), nullable=False),
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("labelled_at", pa.timestamp("us", tz="UTC"), nullable=False),
        # When a run found the recording gone from the library; null while it is there.
        pa.field("deleted_at", pa.timestamp("us", tz="UTC")),
    ]
)


def validate(table: pa.Table) -> None:
    """Raises ContractError; probabilities must lie in 0..1 and sum to 1 within 0.001 in each row."""
    contract.validate(NAME, table, ARROW, _checks, KEY)
    validate_probabilities(NAME, table)


def validate_probabilities(name: str, table: pa.Table) -> None:
    """Raises ContractError for a row of the map column `probabilities` that is no distribution."""
    # pandera has no map type: the values are checked here.
    lists = table["probabilities"].combine_chunks().cast(pa.list_(pa.struct([("key", pa.string()), ("value", pa.float64())])))
    shares = pa.table({"row": pc.list_parent_indices(lists), "share": pc.struct_field(pc.list_flatten(lists), "value")})
    sums = shares.group_by("row").aggregate([("share", "sum"), ("share", "min")])
    # Asked as what is right: no comparison with a NaN is true.
    right = pc.and_kleene(
        pc.less_equal(pc.abs(pc.subtract(sums["share_sum"], 1.0)), SUM_TOLERANCE), pc.greater_equal(sums["share_min"], 0.0)
    )
    if sums.num_rows != table.num_rows or shares["share"].null_count or not pc.all(right, min_count=0).as_py():
        raise contract.ContractError(f"table {name}: probabilities that do not lie in 0..1 and sum to 1")


def _checks() -> dict[str, list[object]]:
    from pandera.pyarrow import Check

    return {
        "track_id": [Check.str_length(min_value=1)],
        "genre": [Check.str_length(min_value=1)],
        "confidence": [Check.in_range(0, 1)],
        "segments_used": [Check.ge(1)],
        "duration_s": [Check.gt(0)],
    }
