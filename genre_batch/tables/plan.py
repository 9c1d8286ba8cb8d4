"""What a run has to do: the listing, less what the tables already hold for this very content and these very parameters.

A join of tables of any size, out of core: what it works with and what comes out are files in a folder of the run's.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genre_batch.choices import Redo, Relabel
from genre_batch.errors import UsageError
from genre_batch.tables import database
from genre_batch.tables.database import parquet, quoted
from genre_batch.tables.library import Library, Listing
from schemas import inventory, labels, rejects, runs, shards
from schemas.rejects import Reason
from schemas.runs import State

ARROW = pa.schema([*inventory.ARROW, pa.field("done_before", pa.bool_(), False), pa.field("refused_before", pa.bool_(), False)])
LESSON = ("track_id", "content_version", "genre", "artist")
"""What a segment teaches: a corrected genre or artist makes it another."""
LABELLING = "label-catalog"
"""The job, as it stands in the runs table."""

OF_THE_CONTENT = (
    f"reason <> {quoted(Reason.FORBIDDEN.value)} AND (reason <> {quoted(Reason.MISSING.value)} OR content_version = 'missing')"
)
"""Rejects that stay for as long as the content does. Whether it is there and may be read, changes without it."""


@dataclass(frozen=True)
class Plan:
    """What is to do, in a Parquet file: the columns of schemas.inventory, and whether the tables hold rows of the track.

    listed = todo + unchanged. `deleted` tracks of the tables are gone from the library, and `returned` ones are back as they were;
    `marks` is a Parquet file with `table`, `track_id` and `deleted_at` of each row that says otherwise, None if all say so already.
    """

    path: str
    todo: int
    listed: int
    unchanged: int
    deleted: int = 0
    returned: int = 0
    marks: str | None = None

    def batches(self, rows: int) -> Iterator[pa.Table]:
        """The tracks, so many at a time, columns of ARROW."""
        kept: list[pa.RecordBatch] = []
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(rows):
                kept.append(batch)
                if sum(map(len, kept)) >= rows:
                    table = pa.Table.from_batches(kept)
                    yield table.slice(0, rows).cast(ARROW)
                    kept = table.slice(rows).to_batches()
        if kept:
            yield pa.Table.from_batches(kept).cast(ARROW)


def for_labels(listing: Listing, tables: str, *, bundle_id: str, front_end: str, relabel: str | None, folder: str) -> Plan:
    """What has a label of this content, bundle and front end is left out, and so is what was rejected for this content, other than
    for want of it or of the right to read it.

    relabel: what is done again all the same: None, one of choices.Relabel, or an SQL predicate over the columns of labels; less
    what runs that asked for the same have done again since one of them last finished. In the order of track ids. Raises UsageError
    for a predicate that cannot be used, StoreUnreachable.
    """
    made_alike = f"bundle_id IS NOT DISTINCT FROM {quoted(bundle_id)} AND front_end = {quoted(front_end)}"
    good, heard = made_alike, "true"
    if relabel == Relabel.ALL:
        good = heard = "false"
    elif relabel == Relabel.REJECTED:
        heard = "false"
    elif relabel == Relabel.OLDER_BUNDLE:
        heard = made_alike
    elif relabel is not None:
        good += f" AND track_id NOT IN (FROM {parquet(_asked(tables, relabel, folder))})"
    inside = "false" if listing.root is None else f"starts_with(uri, {quoted(listing.root.rstrip('/') + '/')})"
    with database.opened(folder) as db:
        database.add_tables(db, tables, (labels, rejects, runs))
        db.execute(f"CREATE VIEW listing AS FROM {parquet(listing.path)}")
        # Their names, not a subquery: over five million labels DuckDB 2.0 fails at one ("don't know what type").
        unfinished = [run_id for (run_id,) in db.execute(_unfinished(made_alike, relabel)).fetchall()]
        again = f"run_id IN ({', '.join(map(quoted, unfinished))})" if unfinished else "false"
        # Tables are read once, for they may be far away.
        for name, settled in (
            (labels.NAME, f"({good}) OR {again}"),
            (rejects.NAME, f"(({heard}) OR {again}) AND {OF_THE_CONTENT}"),
        ):
            db.execute(
                f"CREATE TABLE {name}_held AS SELECT track_id, content_version, {settled} AS settled, {inside} AS inside, "
                f"deleted_at IS NOT NULL AS gone FROM {name}"
            )
        held = f"FROM {labels.NAME}_held UNION ALL FROM {rejects.NAME}_held"
        db.execute(
            f"CREATE TABLE todo AS FROM listing ANTI JOIN ({held}) AS held ON held.settled "
            "AND listing.track_id = held.track_id AND listing.content_version = held.content_version"
        )
        path, todo = _write(db, folder, done=f"{labels.NAME}_held", refused=f"{rejects.NAME}_held", order="track_id")
        deleted, returned, marks = _marks(db, folder)
    return Plan(path, todo, listing.rows, listing.rows - todo, deleted, returned, marks)


def for_shards(library: Library, url: str, *, front_end: str, redo: Redo, folder: str) -> Plan:
    """Tracks whose segments are of this content, genre, artist and front end are left out, and so are those rejected for
    this content, other than for want of it, of the right to read it or of a genre. In the order of a hash: neighbours in a library
    are alike; spread, every part of the work and every file holds a bit of each genre.

    Raises UsageError where all artists that the segments know would be taken away, StoreUnreachable.
    """
    made_alike = f"front_end = {quoted(front_end)}"
    done = made_alike if redo is not Redo.ALL else "false"
    stays = f"{OF_THE_CONTENT} AND reason <> {quoted(Reason.NO_GENRE.value)}"
    heard = f"{made_alike} AND {stays}" if redo is Redo.NOTHING else "false"
    with database.opened(folder) as db:
        database.add_tables(db, url, (shards, rejects))
        db.register("listing", library.tracks)
        same = " AND ".join(f"listing.{name} IS NOT DISTINCT FROM held.{name}" for name in LESSON)
        db.execute(
            f"CREATE TABLE todo AS FROM listing ANTI JOIN (FROM {shards.NAME} WHERE {done}) AS held ON {same} "
            f"ANTI JOIN (FROM {rejects.NAME} WHERE {heard}) AS refused USING (track_id, content_version)"
        )
        if not pc.count(library.tracks["artist"]).as_py():
            _refuse_forgotten_artists(db, url)
        path, todo = _write(db, folder, done=shards.NAME, refused=rejects.NAME, order="md5(track_id)")
    listed = library.tracks.num_rows
    return Plan(path, todo, listed, listed - todo)


def _refuse_forgotten_artists(db: duckdb.DuckDBPyConnection, url: str) -> None:
    """A listing without artists says that somebody left them out, not that nobody made the music."""
    known = f"SELECT count(DISTINCT track_id), min(track_id) FROM {shards.NAME} SEMI JOIN todo USING (track_id) WHERE artist IS NOT NULL"
    ((n, example),) = db.execute(known).fetchall()
    if n:
        raise UsageError(
            f"the shards at {url} know the artists of {n} of these tracks, such as {example}, and would forget them: say --artists "
            "FILE again, or build other shards"
        )


def _unfinished(made_alike: str, relabel: str | None) -> str:
    """The ids of runs that did not come to their end, and that this run goes on with: they were asked for the same, and none that
    was has finished since."""
    same = f"json_extract_string(parameters, '$.relabel') IS NOT DISTINCT FROM {'NULL' if relabel is None else quoted(relabel)}"
    alike = f"job = {quoted(LABELLING)} AND {made_alike} AND {same}"
    finished = f"SELECT started_at FROM runs WHERE {alike} AND state = {quoted(State.FINISHED.value)}"
    return f"SELECT run_id FROM runs WHERE {alike} AND started_at > ALL ({finished})"


def _asked(tables: str, predicate: str, folder: str) -> str:
    """Track ids of the labels that a user's SQL picks, in a file. It sees this one table: no file, no network, no write."""
    path = os.path.join(folder, "asked.parquet")
    with database.opened(folder) as db, pq.ParquetWriter(path, pa.schema([("track_id", pa.string())])) as file:
        database.add_tables(db, tables, (labels,))
        db.execute("SET enable_external_access = false")
        db.execute("SET lock_configuration = true")
        try:
            # As an expression, so that it cannot be anything else.
            for batch in db.view(labels.NAME).filter(predicate).project("track_id").to_arrow_reader():
                file.write_batch(batch)
        except duckdb.Error as error:
            if database.raised_within(error):
                raise
            said = str(error).splitlines()[0]
            raise UsageError(
                f"--relabel takes {', '.join(Relabel)} or an SQL predicate over labels, not {predicate!r}: {said}"
            ) from error
    return path


def _write(db: duckdb.DuckDBPyConnection, folder: str, *, done: str, refused: str, order: str) -> tuple[str, int]:
    """The table `todo` as a file, and its length; `done` and `refused` are tables whose rows a track may have."""
    path = os.path.join(folder, "todo.parquet")
    known = ", ".join(
        # The tables are large and what is to do is little, most nights: it is what is held in memory.
        f"track_id IN (SELECT track_id FROM {table} SEMI JOIN todo USING (track_id)) AS {name}"
        for name, table in (("done_before", done), ("refused_before", refused))
    )
    written = db.execute(
        f"COPY (SELECT *, {known} FROM todo ORDER BY {order}) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd)"
    ).fetchone()
    assert written is not None
    return path, written[0]


def _marks(db: duckdb.DuckDBPyConnection, folder: str) -> tuple[int, int, str | None]:
    """How many tracks are gone, how many are back, and the file that says so of each row."""
    each = " UNION ALL ".join(
        f'SELECT {quoted(name)} AS "table", track_id, $1 AS deleted_at FROM {name}_held ANTI JOIN listing USING (track_id) '
        f"WHERE inside AND NOT gone UNION ALL SELECT {quoted(name)}, track_id, NULL FROM {name}_held "
        "SEMI JOIN listing USING (track_id) ANTI JOIN todo USING (track_id) WHERE gone"
        for name in (labels.NAME, rejects.NAME)
    )
    db.execute(f"CREATE TABLE marks AS {each}", [datetime.now(UTC)])
    counts = db.execute(
        "SELECT count(DISTINCT track_id) FILTER (deleted_at IS NOT NULL), count(DISTINCT track_id) FILTER (deleted_at IS NULL) FROM marks"
    ).fetchone()
    assert counts is not None
    deleted, returned = counts
    if not deleted + returned:
        return 0, 0, None
    path = os.path.join(folder, "marks.parquet")
    db.execute(f"COPY (FROM marks ORDER BY ALL) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd)")
    return deleted, returned, path
