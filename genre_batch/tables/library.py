"""What is in a library of recordings: a folder tree, genre folders, or a manifest, as one Arrow table."""

import mimetypes
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from genre_batch.choices import Layout
from genre_batch.errors import Missing, UsageError
from genre_batch.tables import storage
from schemas import inventory

# Without the machine's own tables, so that a library is listed alike everywhere.
_TYPES = mimetypes.MimeTypes()
_AUDIO = ("audio/", "video/", "application/ogg")
_COMPANIONS = frozenset(
    f".{ending}"
    for ending in (
        *("cue", "db", "ini", "license", "log", "lrc", "md", "md5", "nfo", "parquet", "pls", "rst", "sfv", "sha256"),
        *("toml", "url", "yaml", "yml"),
    )
)
"""What lies beside recordings and has no registered type."""


@dataclass(frozen=True)
class Library:
    """`tracks` has the columns of schemas.inventory, one row a recording; `not_audio` counts objects of other kinds."""

    url: str
    tracks: pa.Table
    not_audio: int


def read(url: str, layout: Layout) -> Library:
    """List a library. A URL that ends in .csv or .parquet is a manifest whatever `layout` says.

    Raises UsageError for a manifest that cannot be used, StoreUnreachable if there is nothing at the URL.
    """
    url = storage.normal(url)
    if layout is Layout.MANIFEST or url.endswith((".csv", ".parquet")):
        return Library(url, _from_manifest(url), 0)
    return _from_folder(url, layout)


def with_artists(library: Library, url: str) -> Library:
    """The artists of a CSV file with columns `track` and `artist`; `track` is a track id or a file name without its ending."""
    artists = read_artists(url)
    known = [
        artists.get(track_id) or artists.get(PurePosixPath(track_id).stem) or artist
        for track_id, artist in zip(library.tracks["track_id"].to_pylist(), library.tracks["artist"].to_pylist(), strict=True)
    ]
    place = library.tracks.schema.get_field_index("artist")
    return Library(library.url, library.tracks.set_column(place, "artist", pa.array(known, pa.string())), library.not_audio)


def read_artists(url: str) -> dict[str, str]:
    """Artist by track, of a CSV or Parquet file with columns `track` and `artist`. Raises UsageError if there are no such columns."""
    table = read_table(storage.normal(url))
    missing = {"track", "artist"} - set(table.column_names)
    if missing:
        raise UsageError(f"{url}: no column {', '.join(sorted(missing))}: an artists file has track and artist")
    return {t: a for t, a in zip(table["track"].to_pylist(), table["artist"].to_pylist(), strict=True) if a}


def is_audio(name: str) -> bool:
    """By its ending: what is plainly something else is not tried; what cannot be told is, and hidden files are not."""
    if PurePosixPath(name).name.startswith((".", "_")):
        return False
    if PurePosixPath(name).suffix.lower() in _COMPANIONS:
        return False
    kind, _ = _TYPES.guess_type(PurePosixPath(name).name.lower(), strict=False)
    return kind is None or kind.startswith(_AUDIO)


def read_table(url: str) -> pa.Table:
    """A CSV or Parquet file. Raises UsageError if it is neither."""
    try:
        data = pa.BufferReader(storage.read_bytes(url))
    except Missing as error:
        raise UsageError(f"{url} does not exist, or is a folder") from error
    try:
        table = pq.read_table(data) if url.endswith(".parquet") else _read_csv(data)
    except (pa.ArrowInvalid, ValueError) as error:
        raise UsageError(f"{url} cannot be read: {error}") from error
    if len(set(table.column_names)) < table.num_columns:
        raise UsageError(f"{url}: two columns of the same name among {', '.join(table.column_names)}")
    return table


def _read_csv(data: pa.BufferReader) -> pa.Table:
    # Track ids like 00012 are names, not numbers: every column is read as text.
    header = pacsv.open_csv(data).schema.names
    data.seek(0)
    # Nor is NA a missing value: an artist may be called that. Only an empty field is.
    text = pacsv.ConvertOptions(column_types=dict.fromkeys(header, pa.string()), strings_can_be_null=True, null_values=[""])
    return pacsv.read_csv(data, convert_options=text)


def _from_folder(url: str, layout: Layout) -> Library:
    rows, not_audio = [], 0
    for found in storage.walk(url):
        track_id = found.uri[len(url) + 1 :]
        if not is_audio(track_id):
            not_audio += 1
            continue
        folders = PurePosixPath(track_id).parts[:-1]
        genre = folders[0] if folders and layout is Layout.GENRE_FOLDERS else None
        rows.append(_row(track_id, found, genre, None))
    return Library(url, pa.Table.from_pylist(rows, inventory.ARROW), not_audio)


def _from_manifest(url: str) -> pa.Table:
    table = read_table(url)
    known = {"uri", "track_id", "genre", "artist"}
    if "uri" not in table.column_names:
        raise UsageError(f"{url}: no column uri: a manifest has uri and optionally track_id, genre, artist")
    columns = {name: table[name].cast(pa.string()).to_pylist() for name in known & set(table.column_names)}
    uris = columns["uri"]
    if None in uris or "" in uris:
        raise UsageError(f"{url}: row {[bool(u) for u in uris].index(False) + 1} has no uri")
    folder = url.rsplit("/", 1)[0]
    places = [uri if storage.is_s3(uri) or uri.startswith("/") else storage.join(folder, uri) for uri in uris]
    track_ids = columns.get("track_id", uris)
    _refuse_doubles(url, track_ids)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(storage.stat, places))
    none = [None] * len(uris)
    rows = [
        _row(track_id, stored, genre, artist) | {"uri": place}
        for track_id, place, stored, genre, artist in zip(
            track_ids, places, found, columns.get("genre", none), columns.get("artist", none), strict=True
        )
    ]
    return pa.Table.from_pylist(rows, inventory.ARROW)


def _refuse_doubles(url: str, track_ids: list[str | None]) -> None:
    counts = pc.value_counts(pa.array(track_ids, pa.string()))
    for count in counts.to_pylist():
        if not count["values"] or count["counts"] > 1:
            raise UsageError(f"{url}: track_id {count['values']!r} stands {count['counts']} times; every track needs its own")


def _row(track_id: str | None, found: storage.StoredObject | None, genre: str | None, artist: str | None) -> dict[str, object]:
    return {
        "track_id": track_id,
        "uri": found.uri if found else None,
        "genre": genre or None,
        "artist": artist or None,
        "size": found.size if found else None,
        "modified_at": found.modified_at if found else None,
        "etag": found.etag if found else None,
        "content_version": _content_version(found),
    }


def _content_version(found: storage.StoredObject | None) -> str:
    if found is None:
        return "missing"
    return found.etag or f"{found.size}-{found.modified_at.timestamp():.6f}"
