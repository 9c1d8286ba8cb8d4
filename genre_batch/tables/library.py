"""What is in a library of recordings: a folder tree, genre folders, a manifest, an S3 Inventory, or a listing made before."""

import os
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from genre_batch import progress
from genre_batch.choices import Layout
from genre_batch.errors import UsageError
from genre_batch.tables import database, manifest, recordings, s3_inventory, storage
from genre_batch.tables.recordings import ROWS
from genre_batch.tables.recordings import is_audio as is_audio
from schemas import inventory

ROOT = "genre_batch.root"
NOT_AUDIO = "genre_batch.not_audio"
"""Metadata of a listing as a Parquet file: what makes it more than a manifest."""


@dataclass(frozen=True)
class Library:
    """In memory. `tracks` has the columns of schemas.inventory, one row a recording; `not_audio` counts objects of other kinds."""

    url: str
    tracks: pa.Table
    not_audio: int


@dataclass(frozen=True)
class Listing:
    """A library of any size, as a local Parquet file with the columns of schemas.inventory, one row a recording.

    root: everything under this URL is listed, so that what is missing there was deleted; None if only some tracks are named.
    """

    url: str
    path: str
    rows: int
    not_audio: int
    root: str | None


@dataclass(frozen=True)
class Contents:
    """What a listing holds: bytes, rows where nothing is there, recordings by genre in the order of their names, None last."""

    size: int
    missing: int
    genres: dict[str | None, int]


def read(url: str, layout: Layout) -> Library:
    """List a library in memory. Raises as `write` does."""
    with TemporaryDirectory() as folder:
        listing = write(url, layout, os.path.join(folder, "listing.parquet"))
        return Library(listing.url, pq.read_table(listing.path), listing.not_audio)


def write(url: str, layout: Layout, path: str, under: str | None = None) -> Listing:
    """List a library into a local file, row group by row group.

    A URL that ends in .csv or .parquet is a manifest whatever `layout` says, or a listing that this function wrote; one that ends in
    .json is the manifest of an S3 Inventory, of which `under` is the part to list. Raises UsageError for a manifest that cannot be
    used, StoreUnreachable if there is nothing at the URL.
    """
    url = storage.normal(url)
    is_inventory, is_file = url.endswith(".json"), url.endswith((".csv", ".parquet"))
    if under and not is_inventory:
        raise UsageError(f"{url} is no manifest.json of an S3 Inventory: leave out --under")
    with storage.reaching(path), pq.ParquetWriter(path, inventory.ARROW, compression="zstd") as file:
        if is_inventory:
            root, not_audio = _from_inventory(file, url, under, layout, os.path.dirname(path))
        elif url.endswith(".parquet") and (listed := _listed_before(url)):
            root, not_audio = _copy(file, url, listed)
        elif is_file or layout is Layout.MANIFEST:
            root, not_audio = None, 0
            for rows in manifest.rows(url):
                file.write_table(recordings.with_versions(rows))
        else:
            root, not_audio = url, recordings.add(file, recordings.gathered(storage.walk(url)), url, layout)
        if root is not None:
            file.add_key_value_metadata({ROOT: root, NOT_AUDIO: str(not_audio)})
    if is_inventory or (is_file and root is not None):
        _refuse_doubles(url, path)
    return Listing(url, path, pq.read_metadata(path).num_rows, not_audio, root)


def contents(listing: Listing) -> Contents:
    size, missing, genres = 0, 0, Counter[str | None]()
    with pq.ParquetFile(listing.path) as file:
        for rows in file.iter_batches(ROWS, columns=["size", "genre"]):
            size += pc.sum(rows["size"]).as_py() or 0
            missing += rows["size"].null_count
            genres.update({each["values"]: each["counts"] for each in pc.value_counts(rows["genre"]).to_pylist()})
    return Contents(size, missing, dict(sorted(genres.items(), key=lambda genre: (genre[0] is None, genre[0]))))


def with_artists(library: Library, url: str) -> Library:
    """The artists of `artists_of`, where the library does not name others; `track` is a track id or a file name without its ending."""
    track_ids = library.tracks["track_id"].to_pylist()
    found = artists_of(track_ids, url, lambda track_id: PurePosixPath(track_id).stem)
    known = [found.get(track_id) or old for track_id, old in zip(track_ids, library.tracks["artist"].to_pylist(), strict=True)]
    place = library.tracks.schema.get_field_index("artist")
    return Library(library.url, library.tracks.set_column(place, "artist", pa.array(known, pa.string())), library.not_audio)


def artists_of(track_ids: Collection[str], url: str, name: Callable[[str], str]) -> dict[str, str]:
    """By track id, from a CSV or Parquet file with columns `track` and `artist`; `track` is a track id or its `name`.

    Warns where the file names the artists of only some tracks. Raises UsageError where it names none, and as `_read_artists` does.
    """
    artists = _read_artists(url)
    answers = {track_id: artists.get(track_id) or artists.get(name(track_id)) for track_id in track_ids}
    found = {track_id: artist for track_id, artist in answers.items() if artist}
    if answers and not found:
        its = f"tracks such as {next(iter(artists))!r}" if artists else "no track with an artist"
        raise UsageError(
            f"{url} names the artist of none of the {len(answers)} tracks: it has {its}, and the tracks have ids such as "
            f"{next(iter(answers))!r}"
        )
    if len(found) < len(answers):
        progress.warn(f"{url} names the artists of {len(found)} of {len(answers)} tracks")
    return found


def _read_artists(url: str) -> dict[str, str]:
    """Artist by track, of a CSV or Parquet file with columns `track` and `artist`.

    Raises UsageError if there are no such columns, or a track has two artists: it would stand on both sides of a split.
    """
    table = manifest.read_table(storage.normal(url))
    missing = {"track", "artist"} - set(table.column_names)
    if missing:
        raise UsageError(f"{url}: no column {', '.join(sorted(missing))}: an artists file has track and artist")
    found: dict[str, str] = {}
    for track, artist in zip(table["track"].to_pylist(), table["artist"].to_pylist(), strict=True):
        if artist and found.setdefault(track, artist) != artist:
            raise UsageError(f"{url}: {track!r} is by {found[track]!r} and by {artist!r}: a track has one artist")
    return found


def _from_inventory(file: pq.ParquetWriter, url: str, under: str | None, layout: Layout, folder: str) -> tuple[str | None, int]:
    """Root and number of objects that are no audio.

    An inventory may be of a part of its bucket and does not say so. Without `under` its root is the folder that holds all of it.
    """
    report = s3_inventory.read(url)
    bucket = f"s3://{report.bucket}"
    place = storage.normal(under) if under else bucket
    if not f"{place}/".startswith(f"{bucket}/"):
        raise UsageError(f"{url} lists {bucket}: --under {under} is not in it")
    ends: list[str] = []

    def asked() -> Iterator[pa.Table]:
        for objects in report.objects(folder):
            if objects.num_rows:
                found = pc.min_max(objects["uri"]).as_py()
                ends[:] = [min([found["min"], *ends]), max([found["max"], *ends])]
            yield objects.filter(pc.starts_with(objects["uri"], f"{place}/"))

    not_audio = recordings.add(file, asked(), place, layout)
    if under:
        return place, not_audio
    return s3_inventory.common_folder(*ends) if ends else None, not_audio


def _listed_before(url: str) -> pq.ParquetFile | None:
    """A file that `write` made, None if it is none: a manifest, or nothing at all."""
    filesystem, place = storage.arrow_filesystem(url)
    with storage.reaching(url):
        try:
            found = pq.ParquetFile(place, filesystem=filesystem)
        except (FileNotFoundError, pa.ArrowInvalid):
            return None
    if ROOT.encode() in (found.metadata.metadata or {}):
        return found
    found.close()
    return None


def _copy(file: pq.ParquetWriter, url: str, listed: pq.ParquetFile) -> tuple[str, int]:
    """Root and number of objects that are no audio, of a listing that is copied as it is: nothing is looked up again."""
    if missing := sorted(set(inventory.ARROW.names) - set(listed.schema_arrow.names)):
        raise UsageError(f"{url} was listed by another version, without {', '.join(missing)}: list the library again")
    with storage.reaching(url), listed:
        for rows in listed.iter_batches(ROWS, columns=inventory.ARROW.names):
            file.write_table(pa.table(rows).select(inventory.ARROW.names).cast(inventory.ARROW))
    said = listed.metadata.metadata
    return said[ROOT.encode()].decode(), int(said[NOT_AUDIO.encode()])


def _refuse_doubles(url: str, path: str) -> None:
    """What others wrote may name a track twice."""
    with database.opened(os.path.dirname(path)) as db:
        double = db.execute(
            f"SELECT track_id, count(*) FROM {database.parquet(path)} GROUP BY track_id HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
    if double:
        raise UsageError(f"{url}: track_id {double[0]!r} stands {double[1]} times; every track needs its own")
