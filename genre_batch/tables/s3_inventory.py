"""S3 Inventory: the list of a bucket's objects that the store itself writes every night, read file by file.

A `manifest.json` names the files, gzipped CSV without a header or Parquet, in the bucket where they lie. The format is AWS's
("Cataloging and analyzing your data with S3 Inventory", Amazon S3 User Guide). Keys are URL-encoded in CSV alone, a space as a plus.
"""

import gzip
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import unquote_plus

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from genre_batch.errors import Missing, UsageError
from genre_batch.tables import storage
from schemas import inventory

OBJECTS = pa.schema([inventory.ARROW.field(name) for name in ("uri", "size", "modified_at", "etag")])
"""What a store says of each object. Either etag or modified_at is there."""

FIELDS = ("key", "size", "lastmodifieddate", "etag", "islatest", "isdeletemarker")
"""Columns that are read, by their names without underscores and capitals: CSV has LastModifiedDate, Parquet last_modified_date."""

ROWS = 2**16
CHUNK = 2**24


@dataclass(frozen=True)
class Report:
    """One inventory: `bucket` is whose objects it lists, `files` are URIs of its parts with their MD5, `columns` those of CSV."""

    url: str
    bucket: str
    columns: tuple[str, ...] | None
    files: tuple[tuple[str, str], ...]

    def objects(self, folder: str) -> Iterator[pa.Table]:
        """The objects that are there now, columns of OBJECTS; a part at a time lies in `folder`.

        Raises UsageError for a part that is not what the manifest says, or lacks a field; StoreUnreachable.
        """
        for uri, md5 in self.files:
            part = _fetched(uri, md5, os.path.join(folder, "part"))
            try:
                yield from (self._current(uri, rows) for rows in _read(part, self.columns))
            except (pa.ArrowInvalid, gzip.BadGzipFile) as error:
                raise UsageError(f"{uri} cannot be read: {error}") from error
            finally:
                os.remove(part)

    def _current(self, uri: str, rows: pa.Table) -> pa.Table:
        """Rows with the names of FIELDS to columns of OBJECTS: without old versions, marks of deletion and folders."""
        names = set(rows.column_names)
        lacks = [name for name, known in (("Key", "key"), ("Size", "size")) if known not in names]
        if not names & {"etag", "lastmodifieddate"}:
            lacks.append("ETag")
        if lacks:
            raise UsageError(
                f"{uri}: no field {', '.join(lacks)}: add it to the inventory's configuration (LastModifiedDate is as good)"
            )
        here = pc.invert(pc.ends_with(rows["key"], "/"))
        for name, wanted in (("islatest", "true"), ("isdeletemarker", "false")):
            if name in names:
                said = pc.utf8_lower(rows[name].cast(pa.string()))
                here = pc.and_(here, pc.fill_null(pc.equal(said, wanted), False))
        rows = rows.filter(here)
        keys = rows["key"]
        if self.columns is not None:
            keys = pa.array([unquote_plus(key) for key in keys.to_pylist()], pa.string())
        none = pa.nulls(rows.num_rows)
        etags = pc.utf8_trim(rows["etag"].cast(pa.string()), '"') if "etag" in names else none
        times = rows["lastmodifieddate"] if "lastmodifieddate" in names else none
        uris = pc.binary_join_element_wise(f"s3://{self.bucket}/", keys, "")
        columns = [uris, rows["size"], times, etags]
        found = pa.table([column.cast(field.type) for column, field in zip(columns, OBJECTS, strict=True)], schema=OBJECTS)
        unknown = pc.or_(pc.is_null(found["size"]), pc.and_(pc.is_null(found["etag"]), pc.is_null(found["modified_at"])))
        if pc.any(unknown).as_py():
            raise UsageError(f"{uri}: {found.filter(unknown)['uri'][0]} has no size, or neither ETag nor LastModifiedDate")
        return found


def read(url: str) -> Report:
    """The inventory of a manifest, `…/manifest.json`. Raises UsageError if it is none or its files cannot be read, StoreUnreachable.

    The files of a manifest on a local disk lie beside it as in the bucket, if they were copied with it, else in the bucket.
    """
    try:
        data = storage.read_needed(url)
        found = json.loads(data)
        kind, source, target = (found[name] for name in ("fileFormat", "sourceBucket", "destinationBucket"))
        files = [(each["key"], each["MD5checksum"]) for each in found["files"]]
        columns = tuple(_plain(name) for name in found["fileSchema"].split(",")) if kind == "CSV" else None
    except Missing as error:
        raise UsageError(f"{url} does not exist, or is a folder") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{url} is no manifest of an S3 Inventory: {type(error).__name__} {error}") from error
    if kind not in ("CSV", "Parquet"):
        raise UsageError(f"{url}: the inventory is written as {kind}, which is not read: configure Parquet, or CSV")
    told = storage.read_or(f"{url.rsplit('/', 1)[0]}/manifest.checksum", lambda: b"").decode(errors="replace").strip()
    if told and told != hashlib.md5(data, usedforsecurity=False).hexdigest():
        raise UsageError(f"{url} is not what its manifest.checksum says: wait until it is written, or fetch it again")
    place = _place(url, target.rsplit(":", 1)[-1], files)
    return Report(url, source, columns, tuple((storage.join(place, key), md5) for key, md5 in files))


def common_folder(first: str, last: str) -> str:
    """The deepest folder of two URIs, which holds all that sorts between them."""
    same = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), len(first))
    return first[:same].rsplit("/", 1)[0]


def _plain(name: str) -> str:
    return name.strip().replace("_", "").lower()


def _place(url: str, bucket: str, files: list[tuple[str, str]]) -> str:
    """Where the keys of the files begin."""
    above = [] if storage.is_s3(url) else [str(folder) for folder in PurePosixPath(url).parents]
    return next((folder for folder in above if files and storage.exists(storage.join(folder, files[0][0]))), f"s3://{bucket}")


def _fetched(uri: str, md5: str, path: str) -> str:
    """The file on the local disk, whole and right: what is read halfway and then found wrong cannot be taken back."""
    digest = hashlib.md5(usedforsecurity=False)
    filesystem, place = storage.arrow_filesystem(uri)
    # Bytes as they are: by default Arrow unpacks what is called .gz.
    with (
        storage.reaching(uri),
        filesystem.open_input_stream(place, compression=None) as source,
        open(path, "wb") as copy,
    ):
        while chunk := source.read(CHUNK):
            digest.update(chunk)
            copy.write(chunk)
    if digest.hexdigest() != md5.lower():
        os.remove(path)
        raise UsageError(f"{uri} is not what the manifest says: its MD5 is {digest.hexdigest()}, not {md5}")
    return path


def _read(path: str, columns: tuple[str, ...] | None) -> Iterator[pa.Table]:
    """Columns of FIELDS that are there, by these names."""
    if columns is None:
        with pq.ParquetFile(path) as file:
            wanted = {name: _plain(name) for name in file.schema_arrow.names if _plain(name) in FIELDS}
            for batch in file.iter_batches(ROWS, columns=list(wanted)):
                yield _text(pa.table(batch).rename_columns(wanted))
        return
    with gzip.open(path) as file:
        # A bucket without objects: Arrow takes an empty file for an error.
        if not file.read(1):
            return
    known = [name for name in columns if name in FIELDS]
    text = pacsv.ConvertOptions(
        include_columns=known, column_types=dict.fromkeys(known, pa.string()), strings_can_be_null=True, null_values=[""]
    )
    with pa.CompressedInputStream(pa.OSFile(path), "gzip") as file:
        for batch in pacsv.open_csv(file, pacsv.ReadOptions(column_names=columns, block_size=CHUNK), convert_options=text):
            yield _text(pa.table(batch))


def _text(rows: pa.Table) -> pa.Table:
    """Writers differ in whether they say that bytes are text."""
    place = rows.schema.get_field_index("key")
    return rows if place < 0 else rows.set_column(place, "key", rows["key"].cast(pa.string()))
