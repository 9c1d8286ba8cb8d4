"""The `trials` table: one row a baseline, feature map and protocol that `tune-baselines` has tried."""

import pyarrow as pa

from schemas import contract

NAME = "trials"
KEY = ["run_id", "profile", "protocol", "model", "map"]

ARROW = pa.schema(
    [
        # Digest of the table, the seed and the code's version: the same command again has the same.
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("profile", pa.string(), nullable=False),
        pa.field("protocol", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("map", pa.string(), nullable=False),
        pa.field("features", pa.string(), nullable=False),
        pa.field("segment_accuracy", pa.float64(), nullable=False),
        pa.field("track_accuracy", pa.float64(), nullable=False),
        pa.field("macro_f1", pa.float64(), nullable=False),
        # Of segment accuracy: deviation between folds or seeds, and the bootstrap interval over tracks.
        pa.field("std", pa.float64(), nullable=False),
        pa.field("ci_low", pa.float64(), nullable=False),
        pa.field("ci_high", pa.float64(), nullable=False),
        # Segments and tracks judged.
        pa.field("n", pa.int64(), nullable=False),
        pa.field("n_tracks", pa.int64(), nullable=False),
        pa.field("split_digest", pa.string(), nullable=False),
        # As JSON, one for each fold or seed.
        pa.field("params", pa.string(), nullable=False),
        pa.field("by_fold", pa.list_(pa.float64()), nullable=False),
        pa.field("per_genre", pa.map_(pa.string(), pa.float64()), nullable=False),
        # Of tracks: rows are the true genres, in the order of per_genre.
        pa.field("confusion", pa.list_(pa.list_(pa.int64())), nullable=False),
        pa.field("seconds", pa.float64(), nullable=False),
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


def validate(table: pa.Table) -> None:
    """Raises ContractError."""
    contract.validate(NAME, table, ARROW, _checks, KEY)


def _checks() -> dict[str, list[object]]:
    from pandera.pyarrow import Check

    shares = ("segment_accuracy", "track_accuracy", "macro_f1", "ci_low", "ci_high")
    return {name: [Check.in_range(0, 1)] for name in shares} | {
        "std": [Check.ge(0)],
        "n": [Check.ge(1)],
        "n_tracks": [Check.ge(1)],
    }
