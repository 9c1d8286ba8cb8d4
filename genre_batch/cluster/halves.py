"""What a killed run left half done is put right before the next one plans: tables are committed one after the other."""

from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from genre_batch.evaluation.profile import Profile
from genre_batch.tables import database, store
from genre_batch.tables.database import quoted
from genre_batch.tables.store import Writer
from schemas import labels, rejects, runs, segments
from schemas.runs import State

ROWS_AT_ONCE = 65_536


def complete(url: str, writer: Writer, folder: str) -> None:
    """Under the lock, so that a run that is not over is one that was killed: it is told `failed`, with all that it committed, and its
    segments of tracks whose labels were not committed go, for these tracks are labelled anew.

    Only the newest run can be in such a state: each run does this first. folder: to work in, out of core. Raises StoreUnreachable,
    TablesHeld.
    """
    told = store.read(url, runs.NAME, runs.ARROW, runs.ARROW.names)
    if not told.num_rows:
        return
    newest = told.sort_by([("started_at", "descending")]).slice(0, 1)
    if newest["state"][0].as_py() not in (State.RUNNING, State.FAILED):
        return
    dead = newest["run_id"][0].as_py()
    with database.opened(folder) as db:
        database.add_tables(db, url, (labels, rejects, segments))
        orphans = _without_label(db, dead)
        held = _counted(db, dead)
        known = newest["done"][0].as_py(), newest["rejected"][0].as_py()
        changes = _recounted(db, dead, *held, newest) if sum(held) > sum(known) else {}
    if orphans:
        writer.commit(segments, [], stale=orphans)
    if changes or newest["state"][0].as_py() == State.RUNNING:
        row = _with(newest, changes | {"state": State.FAILED.value})
        writer.commit(runs, [store.write_part(url, runs, row)], stale=[dead])


def _without_label(db: duckdb.DuckDBPyConnection, run_id: str) -> list[str]:
    """Tracks of which a run committed segments, and nobody a label: at most a commit's worth."""
    db.execute(
        "CREATE TEMP TABLE waiting AS SELECT DISTINCT track_id FROM segments "
        f"ANTI JOIN (FROM labels WHERE run_id = {quoted(run_id)}) AS made USING (track_id) WHERE run_id = {quoted(run_id)}"
    )
    known = "SELECT track_id FROM labels SEMI JOIN waiting USING (track_id)"
    return [track_id for (track_id,) in db.execute(f"FROM waiting WHERE track_id NOT IN ({known})").fetchall()]


def _counted(db: duckdb.DuckDBPyConnection, run_id: str) -> tuple[int, int]:
    """How many tracks a run labelled, and rejected."""
    each = ", ".join(f"(SELECT count(*) FROM {name} WHERE run_id = $1)" for name in (labels.NAME, rejects.NAME))
    ((done, rejected),) = db.execute(f"SELECT {each}", [run_id]).fetchall()
    return done, rejected


def _recounted(db: duckdb.DuckDBPyConnection, run_id: str, done: int, rejected: int, row: pa.Table) -> dict[str, Any]:
    """What changes in the row of a run that was killed after its rows were committed, and before its own row was."""
    before = {name: row[name][0].as_py() for name in ("listed", "unchanged")}
    profile, audio_s = Profile(), 0.0
    for batch in _rows(db, f"SELECT genre, confidence, duration_s, loudness_db FROM labels WHERE run_id = {quoted(run_id)}"):
        profile += Profile.of(batch.to_pylist(), [])
        audio_s += pc.sum(batch["duration_s"]).as_py() or 0.0
    for batch in _rows(db, f"SELECT reason FROM rejects WHERE run_id = {quoted(run_id)}"):
        profile += Profile.of([], batch.to_pylist())
    remaining = before["listed"] - before["unchanged"] - done - rejected
    return {"done": done, "rejected": rejected, "remaining": remaining, "audio_s": audio_s} | profile.to_row()


def _rows(db: duckdb.DuckDBPyConnection, sql: str) -> pa.RecordBatchReader:
    return db.sql(sql).to_arrow_reader(ROWS_AT_ONCE)


def _with(row: pa.Table, changes: dict[str, Any]) -> pa.Table:
    for name, value in changes.items():
        field = row.schema.field(name)
        row = row.set_column(row.schema.get_field_index(name), field, pa.array([value], field.type))
    return row.cast(runs.ARROW)
