"""The `runs` table: one row a run that published, with its accounting."""

import pyarrow as pa
import pyarrow.compute as pc

from schemas import contract

NAME = "runs"
KEY = ["run_id"]

ARROW = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("job", pa.string(), nullable=False),
        pa.field("library", pa.string(), nullable=False),
        pa.field("listed", pa.int64(), nullable=False),
        # Labelled tracks, or for build-shards tracks written.
        pa.field("done", pa.int64(), nullable=False),
        pa.field("rejected", pa.int64(), nullable=False),
        pa.field("unchanged", pa.int64(), nullable=False),
        # Objects of the library that are no recordings: counted, not tried, not part of `listed`.
        pa.field("not_audio", pa.int64(), nullable=False),
        pa.field("bundle_id", pa.string()),
        pa.field("front_end", pa.string(), nullable=False),
        pa.field("code_version", pa.string(), nullable=False),
        pa.field("audio_s", pa.float64(), nullable=False),
        pa.field("started_at", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


def validate(table: pa.Table) -> None:
    """Raises ContractError; holds listed = done + rejected + unchanged."""
    contract.validate(NAME, table, ARROW, _checks, KEY)
    accounted = pc.add(pc.add(table["done"], table["rejected"]), table["unchanged"])
    if not pc.all(pc.equal(table["listed"], accounted), min_count=0).as_py():
        raise contract.ContractError(f"table {NAME}: listed is not done + rejected + unchanged")


def _checks() -> dict[str, list[object]]:
    from pandera.pyarrow import Check

    return {column: [Check.ge(0)] for column in ("listed", "done", "rejected", "unchanged", "not_audio", "audio_s")}
