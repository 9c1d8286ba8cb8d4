"""`build-shards`: a library with genres becomes a table of segments to train on."""

import tempfile
from contextlib import closing
from functools import partial
from typing import Any

import pyarrow as pa
import ray

from genre_batch import progress
from genre_batch.audit import notice
from genre_batch.choices import Layout, Redo
from genre_batch.cluster import guard, heap, session
from genre_batch.cluster.accounts import Stamp, Written, account, read_track
from genre_batch.cluster.metrics import DONE, Meter
from genre_batch.cluster.run import Run, Summary, new_run_id
from genre_batch.cluster.tally import Teller
from genre_batch.cluster.work import Spread
from genre_batch.errors import NoGenre, TrackError, UsageError
from genre_batch.evaluation.profile import Profile
from genre_batch.front_end import FrontEnd
from genre_batch.limits import Limits
from genre_batch.signal.extract import TrackFeatures, extract
from genre_batch.tables import library, lock, plan, retries, storage, store
from genre_batch.tables.store import Writer
from schemas import rejects, shards

LIMITS = Limits()

PART_BYTES = 128 * 2**20
"""Spectrograms gathered before a worker writes them as one part: bounds its memory, keeps parts large."""


def build_shards(
    *, library_url: str, shards_url: str, front_end: FrontEnd, artists: str | None, redo: Redo, max_reject_fraction: float
) -> Summary:
    """Add what is new or changed. Raises JobError; then nothing of this run was published."""
    run_id = new_run_id()
    url = storage.normal(shards_url)
    with lock.held(url, run_id) as held, session.session(), tempfile.TemporaryDirectory(prefix="genre-batch-") as folder:
        listed = library.read(library_url, Layout.GENRE_FOLDERS)
        if artists:
            listed = library.with_artists(listed, artists)
        stamp_table(url, front_end)
        if found := notice.findings(url):
            progress.warn(found)
        writer = Writer(url, run_id)
        todo = plan.for_shards(listed, url, front_end=front_end.digest, redo=redo, folder=folder)
        stamp = Stamp("build-shards", url, run_id, front_end.digest)
        run = Run(stamp, writer, [shards], listed.url, listed.not_audio, todo, max_reject_fraction, still_mine=held.still_mine)
        with closing(Spread(stamp, partial(Sharder, stamp, front_end)).over(todo)) as answers:
            return run.publish(answers)


def stamp_table(url: str, front_end: FrontEnd) -> None:
    """Write the front end on a new table. Raises UsageError if the table has another one."""
    table = store.create(url, shards.NAME, shards.ARROW, {store.FRONT_END_PROPERTY: front_end.to_json()})
    stamped = store.front_end(table)
    if stamped != front_end:
        raise UsageError(
            f"the shards at {url} were built with front end {stamped.name!r} ({stamped.digest}), not {front_end.name!r} "
            f"({front_end.digest}): give --shards another place, or the same front end"
        )


class Sharder:
    """Lives in a worker process: bytes to segments, one track after the other."""

    def __init__(self, stamp: Stamp, front_end: FrontEnd, counted: "ray.actor.ActorHandle") -> None:
        self.stamp, self.front_end, self.told = stamp, front_end, Teller(counted)
        self.meter = Meter(stamp.job)
        retries.on_retry = self.meter.retried
        heap.keep_freed()

    def __call__(self, tracks: list[dict[str, Any]]) -> Written:
        parts: list[store.Receipt] = []
        rows: list[dict[str, Any]] = []
        refused: list[dict[str, Any]] = []
        done: list[str] = []
        audio_s = 0.0
        for track in tracks:
            try:
                if not track["genre"]:
                    raise NoGenre(f"{track['uri']} lies in no genre folder, or its manifest row names no genre")
                with guard.at_most(LIMITS.work_s):
                    features = self.features(track)
            except TrackError as error:
                refused.append(self.stamp.reject(track, error))
                self.told.add(error.reason.value, 0.0)
                self.meter.track(error.reason.value)
                continue
            rows += self._rows(track, features)
            done.append(track["track_id"])
            audio_s += features.duration_s
            self.told.add("written", features.duration_s)
            self.meter.track(DONE, features.duration_s)
            if sum(len(row["spectrogram"] or b"") for row in rows) >= PART_BYTES:
                parts.append(self._write(rows))
                rows = []
        self.told.tell()
        if rows:
            parts.append(self._write(rows))
        if refused:
            parts.append(store.write_part(self.stamp.url, rejects, pa.Table.from_pylist(refused, rejects.ARROW)))
        return account(parts, done, refused, audio_s, Profile.of([], refused))

    def features(self, track: dict[str, Any]) -> TrackFeatures:
        """What becomes of a track of the listing. Raises TrackError."""
        return extract(read_track(track, LIMITS), self.front_end, LIMITS)

    def _write(self, rows: list[dict[str, Any]]) -> store.Receipt:
        return store.write_part(self.stamp.url, shards, pa.Table.from_pylist(rows, shards.ARROW))

    def _rows(self, track: dict[str, Any], features: TrackFeatures) -> list[dict[str, Any]]:
        hop_s = self.front_end.segment_hop_samples / self.front_end.sample_rate_hz
        return [
            {
                "track_id": track["track_id"],
                "segment": int(position),
                "start_s": float(position * hop_s),
                "genre": track["genre"],
                "artist": track["artist"],
                "uri": track["uri"],
                "duration_s": features.duration_s,
                "content_version": track["content_version"],
                "front_end": self.stamp.front_end,
                "spectrogram": None if features.spectrograms is None else features.spectrograms[i].tobytes(),
                "descriptors": None if features.descriptors is None else features.descriptors[i].tolist(),
            }
            for i, position in enumerate(features.positions)
        ]
