"""`audit`: the tracks of shards, or the recordings of a library, fingerprinted on the cluster; genre_batch.audit judges them."""

import json
import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

from genre_batch import progress
from genre_batch.audit import facts, hearing, leakage, notice, outcome, page
from genre_batch.audit.facts import Row, Tracks
from genre_batch.audit.fingerprint import fingerprint
from genre_batch.choices import Layout
from genre_batch.cluster import guard, segments, session
from genre_batch.cluster.accounts import read_track
from genre_batch.cluster.blocks import blocks
from genre_batch.cluster.segments import Shards
from genre_batch.errors import Crashed, JobError, StoreUnreachable, TrackError, UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.limits import Limits
from genre_batch.tables import library, storage, store
from schemas import rejects

LIMITS = Limits()
TRACKS_A_TASK = 16
TASKS_A_CPU = 3
"""Waiting or at work: enough that no worker is idle, few enough that little is lost when the driver ends."""


def audit(
    *,
    shards_url: str | None = None,
    library_url: str | None = None,
    out: str,
    artists: str | None = None,
    split: str | None = None,
) -> dict[str, Any]:
    """Audit shards or a library, one of the two, and write duplicates.csv, audit.json and audit.html to `out`; beside shards a notice too.

    artists: CSV file with artists of a library. split: who stands where, as leakage.read_split takes it. Returns the figures of
    audit.json. Raises JobError.
    """
    if (shards_url is None) == (library_url is None):
        raise UsageError("an audit is of shards or of recordings: give one of --shards and --library")
    if artists and not library_url:
        raise UsageError("shards carry their artists: leave out --artists, or audit a --library")
    parted = leakage.read_split(split) if split else None
    with tempfile.TemporaryDirectory(prefix="genre-batch-") as folder:
        with session.session():
            if shards_url:
                shards = segments.open_shards(shards_url)
                track_ids = shards.tracks["track_id"].to_pylist()
                url, version, rows = shards.url, shards.version, _of_shards(shards)
            else:
                assert library_url is not None
                listed = library.read(library_url, Layout.GENRE_FOLDERS)
                if artists:
                    listed = library.with_artists(listed, artists)
                track_ids = listed.tracks["track_id"].to_pylist()
                url, version, rows = listed.url, None, _of_library(listed.tracks)
            if parted:
                # Before anything is heard, which may take hours.
                parted.check(track_ids)
            tracks = Tracks.of(_kept(rows, os.path.join(folder, "facts.arrow")))
        figures, duplicates = outcome.judge(
            tracks, source="shards" if shards_url else "library", url=url, version=version, split=parted
        )
    place = storage.normal(out)
    written = {
        "duplicates.csv": outcome.as_csv(duplicates),
        "audit.json": json.dumps(figures, indent=2, ensure_ascii=False).encode(),
        "audit.html": page.html(figures).encode(),
    }
    for name, data in written.items():
        storage.write_bytes(storage.join(place, name), data)
    if shards_url:
        _leave_notice(url, figures, place)
    return figures


def _kept(rows: Iterable[pa.Table], path: str) -> pa.Table:
    """All rows, in a file that is mapped into memory: fingerprints of a hundred thousand tracks are larger than what they are found by."""
    with pa.OSFile(path, "wb") as file, pa.ipc.new_file(file, facts.ARROW) as writer:
        for each in rows:
            writer.write_table(each.select(facts.ARROW.names).cast(facts.ARROW))
    return pa.ipc.open_file(pa.memory_map(path)).read_all()


def _leave_notice(shards_url: str, figures: dict[str, Any], out: str) -> None:
    try:
        notice.leave(shards_url, figures, out)
    except StoreUnreachable as error:
        progress.warn(f"build-shards and train-network will not hear of this audit: {error}")


def _of_shards(shards: Shards) -> Iterator[pa.Table]:
    """Rows of facts.ARROW: of each track, and of those that were refused when the shards were built."""
    if not shards.front_end.spectrograms:
        raise UsageError(
            f"the shards at {shards.url} hold no spectrograms (front end {shards.front_end.name!r}): audit the recordings with --library"
        )
    refused = store.read(
        shards.url, rejects.NAME, rejects.ARROW, ["track_id", "reason", "detail"], where="deleted_at IS NULL"
    ).to_pylist()
    known = set(shards.tracks["track_id"].to_pylist())
    rows = [
        facts.row(each["track_id"], None, None, refused=each["reason"], detail=each["detail"])
        for each in refused
        if each["track_id"] not in known
    ]
    yield pa.Table.from_pylist(rows, facts.ARROW)
    columns = ("spectrogram", "artist", "duration_s")
    found = shards.stream(sorted(known), columns=columns, by_track=True).map_batches(
        partial(_of_segments, front_end=shards.front_end), batch_size=None, batch_format="pyarrow"
    )
    done = 0
    with progress.watching("audit", len(known), lambda: (done, "tracks")):
        for part in blocks(found):
            done += part.num_rows
            yield part


def _of_segments(rows: pa.Table, *, front_end: FrontEnd) -> pa.Table:
    """Runs in a worker: segments of whole tracks to rows of facts.ARROW."""
    found = []
    for track_id, start, end in segments.runs(rows["track_id"]) if rows.num_rows else ():
        track = rows.slice(start, end - start)
        first = track.select(["genre", "artist", "duration_s"]).slice(0, 1).to_pylist()[0]
        pictures = segments.pictures(track["spectrogram"], front_end.spectrogram_shape)
        positions = np.array(track["segment"].to_pylist(), np.int32)
        print_ = fingerprint(pictures, positions, front_end, first["duration_s"])
        more = {"duration_s": first["duration_s"], "silent": _left_out(len(positions), first["duration_s"], front_end)}
        found.append(facts.row(track_id, first["genre"], first["artist"], **more, **facts.stored(print_)))
    return pa.Table.from_pylist(found, facts.ARROW)


def _left_out(n: int, duration_s: float, front_end: FrontEnd) -> float:
    """Share of a track's segments that are not there because they are silent."""
    longer = round(duration_s * front_end.sample_rate_hz) - front_end.segment_samples
    return max(0.0, 1 - n / (1 + max(0, longer) // front_end.segment_hop_samples))


def _of_library(listed: pa.Table) -> Iterator[pa.Table]:
    """Rows of facts.ARROW, as they come. listed: columns of schemas.inventory.

    A task whose process ends is done again, recording by recording; a recording that ends its process alone is told as crashed.
    """
    hear = ray.remote(num_cpus=1, max_retries=0)(_hear)
    tracks = listed.to_pylist()
    todo = deque(tracks[i : i + TRACKS_A_TASK] for i in range(0, len(tracks), TRACKS_A_TASK))
    at_work: dict[Any, list[Row]] = {}
    done = 0
    with progress.watching("audit", len(tracks), lambda: (done, "recordings")):
        while todo or at_work:
            while todo and len(at_work) < TASKS_A_CPU * session.cpus():
                some = todo.popleft()
                at_work[hear.remote(some)] = some
            ready = ray.wait(list(at_work))[0][0]
            some = at_work.pop(ready)
            try:
                answer = ray.get(ready)
            except (WorkerCrashedError, NodeDiedError, OutOfMemoryError):
                if len(some) > 1:
                    todo.extendleft([each] for each in some)
                    continue
                answer = _refused(some[0], Crashed(f"{some[0]['uri']}: the process that heard it ended"))
            if isinstance(answer, JobError):
                for each in at_work:
                    ray.cancel(each, force=True)
                raise answer
            done += answer.num_rows
            yield answer


def _hear(tracks: list[Row]) -> pa.Table | JobError:
    """Runs in a worker. A JobError is an answer, so that its sentence arrives whole."""
    found = []
    for track in tracks:
        try:
            with guard.at_most(LIMITS.work_s):
                found.append(_heard(track))
        except TrackError as error:
            found += _refused(track, error).to_pylist()
        except JobError as error:
            return error
    return pa.Table.from_pylist(found, facts.ARROW)


def _heard(track: Row) -> Row:
    heard = hearing.hear(read_track(track, LIMITS), LIMITS)
    print_ = fingerprint(heard.pictures, heard.positions, hearing.FRONT_END, heard.duration_s)
    # Decoded sound is equal where its digest is, however it was stored and named.
    told = facts.stored(print_) | {"digest": heard.digest, "duration_s": heard.duration_s, **heard.sound._asdict()}
    return facts.row(track["track_id"], track["genre"], track["artist"], **told)


def _refused(track: Row, error: TrackError) -> pa.Table:
    told = {"refused": error.reason.value, "detail": str(error)}
    return pa.Table.from_pylist([facts.row(track["track_id"], track["genre"], track["artist"], **told)], facts.ARROW)
