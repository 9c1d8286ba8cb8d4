"""What a killed run left half done is put right before the next one plans: tables are committed one after the other."""

from types import ModuleType

import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.tables import store
from genre_batch.tables.store import Writer
from schemas import labels, runs, segments
from schemas.runs import State


def complete(url: str, writer: Writer) -> None:
    """Under the lock, so that a run that is not over is one that was killed: it is told `failed`, and its segments of tracks whose
    labels were not committed go, for these tracks are labelled anew.

    Only the newest run can be in such a state: each run does this first. Raises StoreUnreachable, TablesHeld.
    """
    told = store.read(url, runs.NAME, runs.ARROW, runs.ARROW.names)
    if not told.num_rows:
        return
    newest = told.sort_by([("started_at", "descending")]).slice(0, 1)
    if newest["state"][0].as_py() not in (State.RUNNING, State.FAILED):
        return
    dead = newest["run_id"][0].as_py()
    if orphans := _without_label(url, dead):
        writer.commit(segments, [], stale=orphans)
    if newest["state"][0].as_py() == State.RUNNING:
        state = newest.schema.get_field_index("state")
        failed = newest.set_column(state, runs.ARROW.field("state"), [[State.FAILED.value]])
        writer.commit(runs, [store.write_part(url, runs, failed.cast(runs.ARROW))], stale=[dead])


def _without_label(url: str, run_id: str) -> list[str]:
    """Tracks of which a run committed segments, and nobody a label."""

    def of(contract: ModuleType, where: str) -> pa.Array:
        return store.read(url, contract.NAME, contract.ARROW, ["track_id"], where)["track_id"].combine_chunks().unique()

    timeline = of(segments, f"run_id = '{run_id}'")
    waiting = timeline.filter(pc.invert(pc.is_in(timeline, of(labels, f"run_id = '{run_id}'"))))
    if not len(waiting):
        return []
    # At most a commit's worth.
    quoted = ", ".join("'" + track_id.replace("'", "''") + "'" for track_id in waiting.to_pylist())
    return waiting.filter(pc.invert(pc.is_in(waiting, of(labels, f"track_id IN ({quoted})")))).to_pylist()
