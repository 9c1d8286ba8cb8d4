"""The `runs` table: one row a run that published anything, with its accounting; brought up to date with every commit of the run."""

from enum import StrEnum

import pyarrow as pa
import pyarrow.compute as pc

from schemas import contract

NAME = "runs"
KEY = ["run_id"]


class State(StrEnum):
    """Where a run stands; one that was killed stays `running`, with an old `finished_at`, until the next one tells it `failed`."""

    RUNNING = "running"
    FINISHED = "finished"
    # --max-minutes were over, or somebody stopped it.
    STOPPED = "stopped"
    # It ended with an error after it had committed something.
    FAILED = "failed"


CONFIDENCE_EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
DURATION_EDGES_S = (15.0, 30.0, 60.0, 120.0, 180.0, 240.0, 300.0, 420.0, 600.0, 1800.0)
LOUDNESS_EDGES_DB = (-60.0, -50.0, -40.0, -35.0, -30.0, -25.0, -20.0, -15.0, -10.0, -5.0)
"""Inner edges of the histograms: n edges make n + 1 bins, a value on an edge is of the bin above it."""

_COUNTS = pa.map_(pa.string(), pa.int64())

ARROW = pa.schema(
    [
        pa.field("run_id", pa.string(), nullable=False),
        pa.field("job", pa.string(), nullable=False),
        pa.field("state", pa.string(), nullable=False),
        pa.field("library", pa.string(), nullable=False),
        pa.field("listed", pa.int64(), nullable=False),
        # Labelled tracks, or for build-shards tracks written.
        pa.field("done", pa.int64(), nullable=False),
        pa.field("rejected", pa.int64(), nullable=False),
        pa.field("unchanged", pa.int64(), nullable=False),
        # Still to do: 0 unless the run is not over, or ended before its end.
        pa.field("remaining", pa.int64(), nullable=False),
        # Objects of the library that are no recordings: counted, not tried, not part of `listed`.
        pa.field("not_audio", pa.int64(), nullable=False),
        # Tracks of the tables that are no longer in the library, and are marked so by this run; and such that came back.
        pa.field("deleted", pa.int64(), nullable=False),
        pa.field("returned", pa.int64(), nullable=False),
        pa.field("bundle_id", pa.string()),
        pa.field("front_end", pa.string(), nullable=False),
        pa.field("code_version", pa.string(), nullable=False),
        # The options of the run, as JSON.
        pa.field("parameters", pa.string()),
        pa.field("audio_s", pa.float64(), nullable=False),
        pa.field("tracks_per_s", pa.float64()),
        # What this run found: tracks by genre and by reason of rejection, and how many in each bin of the edges above.
        pa.field("genres", _COUNTS),
        pa.field("reasons", _COUNTS),
        pa.field("confidence", pa.list_(pa.int64())),
        pa.field("duration", pa.list_(pa.int64())),
        pa.field("loudness", pa.list_(pa.int64())),
        # Population stability index by what was compared with what, such as `genres, previous run`.
        pa.field("drift", pa.map_(pa.string(), pa.float64())),
        pa.field("drift_level", pa.string()),
        pa.field("started_at", pa.timestamp("us", tz="UTC"), nullable=False),
        # Of the newest commit.
        pa.field("finished_at", pa.timestamp("us", tz="UTC"), nullable=False),
    ]
)


def validate(table: pa.Table) -> None:
    """Raises ContractError; holds listed = done + rejected + unchanged + remaining."""
    contract.validate(NAME, table, ARROW, _checks, KEY)
    accounted = pc.add(pc.add(table["done"], table["rejected"]), pc.add(table["unchanged"], table["remaining"]))
    if not pc.all(pc.equal(table["listed"], accounted), min_count=0).as_py():
        raise contract.ContractError(f"table {NAME}: listed is not done + rejected + unchanged + remaining")


def _checks() -> dict[str, list[object]]:
    from pandera.pyarrow import Check

    counts = ("listed", "done", "rejected", "unchanged", "remaining", "not_audio", "deleted", "returned", "audio_s")
    return {"state": [Check.isin([state.value for state in State])]} | {column: [Check.ge(0)] for column in counts}
