"""`import-spectrograms`: published spectrograms become a table of segments to train on."""

import dataclasses
import tempfile
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import ray

from genre_batch.choices import Redo
from genre_batch.cluster import session
from genre_batch.cluster.accounts import Stamp, read_track
from genre_batch.cluster.run import Run, Summary, new_run_id
from genre_batch.cluster.shards import LIMITS, Sharder, stamp_table
from genre_batch.cluster.work import Spread
from genre_batch.errors import UsageError
from genre_batch.front_end import FrontEnd
from genre_batch.signal import columns, pictures
from genre_batch.signal.extract import TrackFeatures
from genre_batch.tables import archive, described, lock, plan, spectrograms, storage
from genre_batch.tables.library import Library
from genre_batch.tables.store import Writer
from schemas import shards


@dataclass(frozen=True, kw_only=True)
class Source:
    """What is imported. Small, for it travels to every worker, which reads the files itself.

    url: of an .npz archive or of a folder of pictures. only: parts of the archive's split, all if empty. colour_map: None to find
    out each picture's. descriptors: a published table of features."""

    url: str
    only: tuple[str, ...] = ()
    colour_map: str | None = None
    descriptors: str | None = None

    def __post_init__(self) -> None:
        if self.is_archive and self.colour_map:
            raise UsageError(f"{self.url} holds levels, not colours: leave out --colour-map")
        if self.only and not self.is_archive:
            raise UsageError(f"{self.url}: pictures have no split: leave out --only")
        if self.colour_map:
            pictures.check(self.colour_map)

    @property
    def is_archive(self) -> bool:
        return self.url.lower().endswith(spectrograms.ARCHIVE)


def import_spectrograms(
    *,
    source: Source,
    shards_url: str,
    artists: str | None,
    segment_s: float,
    segment_hop_s: float,
    redo: Redo,
    max_reject_fraction: float,
) -> Summary:
    """Add what is new or changed. Raises JobError; then nothing of this run was published."""
    front_end = spectrograms.front_end(segment_s, segment_hop_s, described=source.descriptors is not None)
    # Workers elsewhere must see the same places.
    there = storage.normal(source.descriptors) if source.descriptors else None
    source = dataclasses.replace(source, url=storage.normal(source.url), descriptors=there)
    # Before Ray starts, so that what is wrong with the files is told at once.
    opened = Opened(source, front_end)
    listed = opened.listing()
    if artists:
        listed = spectrograms.with_artists(listed, artists)
    run_id, url = new_run_id(), storage.normal(shards_url)
    with lock.held(url, run_id) as held, session.session(), tempfile.TemporaryDirectory(prefix="genre-batch-") as folder:
        stamp_table(url, front_end)
        writer = Writer(url, run_id)
        todo = plan.for_shards(listed, url, front_end=front_end.digest, redo=redo, folder=folder)
        stamp = Stamp("import-spectrograms", url, run_id, front_end.digest)
        run = Run(stamp, writer, [shards], listed.url, listed.not_audio, todo, max_reject_fraction, still_mine=held.still_mine)
        with closing(Spread(stamp, partial(Importer, stamp, front_end, source, opened.digests)).over(todo)) as answers:
            return run.publish(answers)


class Opened:
    """A source that was read: by the driver to list it, by each worker for its spectrograms."""

    def __init__(self, source: Source, front_end: FrontEnd) -> None:
        """Raises UsageError for what cannot be used, StoreUnreachable."""
        self.source, self.front_end = source, front_end
        self.archive = archive.read(source.url, front_end.n_bands) if source.is_archive else None
        self.described = described.read(source.descriptors, front_end) if source.descriptors else None

    @property
    def digests(self) -> tuple[str | None, str | None]:
        """Of the archive and of the descriptors."""
        return self.archive.digest if self.archive else None, self.described.table.digest if self.described else None

    def listing(self) -> Library:
        """One row a track; a content version changes with all that its segments depend on."""
        source = self.source
        listed = self.archive.listing(source.only) if self.archive else spectrograms.list_pictures(source.url)
        if source.colour_map:
            listed = spectrograms.versioned(listed, lambda _: str(source.colour_map))
        return spectrograms.versioned(listed, self.described.version) if self.described else listed

    def features(self, track: dict[str, Any]) -> TrackFeatures:
        """The segments of a track of the listing. Raises TrackError."""
        if self.archive:
            levels = self.archive.of(track["track_id"])
        else:
            levels = pictures.levels(read_track(track, LIMITS), self.front_end.n_bands, self.source.colour_map)
        found = columns.cut(levels, self.front_end)
        if self.described is None:
            return found
        return dataclasses.replace(found, descriptors=self.described.of(track["track_id"], found.positions))


class Importer(Sharder):
    """Lives in a worker process: published spectrograms to segments, one track after the other."""

    def __init__(
        self,
        stamp: Stamp,
        front_end: FrontEnd,
        source: Source,
        digests: tuple[str | None, str | None],
        counted: "ray.actor.ActorHandle",
    ) -> None:
        super().__init__(stamp, front_end, counted)
        self.opened = Opened(source, front_end)
        if self.opened.digests != digests:
            raise UsageError(f"{source.url}, or its descriptors, changed during the run; nothing was published, run again")

    def features(self, track: dict[str, Any]) -> TrackFeatures:
        return self.opened.features(track)
