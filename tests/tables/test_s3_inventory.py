"""S3 Inventory in both formats says what a listing says; what is not right is refused before it is believed."""

import gzip
import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genre_batch.choices import Layout
from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.tables import library, s3_inventory, storage
from genre_batch.tables.library import Listing
from schemas import inventory
from tests.rows import Row

WHEN = datetime(2026, 11, 6, 21, 32, 0, 250_000, tzinfo=UTC)
ALL = "Bucket, Key, VersionId, IsLatest, IsDeleteMarker, Size, LastModifiedDate, ETag, StorageClass"
CURRENT = "Bucket, Key, Size, LastModifiedDate, ETag"
FOLDER = "inventories/catalog/nightly"

# As AWS writes them: every value quoted, the key URL-encoded with a plus for a space.
LINES = [
    '"catalog","music/hip+hop/deep/er/01+%2B+1.mp3","v2","true","false","4000","2026-11-06T21:32:00.250Z","0a1b","STANDARD"',
    '"catalog","music/hip+hop/deep/er/01+%2B+1.mp3","v1","false","false","3000","2026-10-06T21:32:00.000Z","ffff","STANDARD"',
    '"catalog","music/jazz/gone.mp3","v2","true","true","","2026-11-06T21:32:00.000Z","",""',
    '"catalog","music/jazz/gone.mp3","v1","false","false","5","2026-10-06T21:32:00.000Z","ffff","STANDARD"',
    '"catalog","music/jazz/%E9%9F%B3%E6%A5%BD%2C+%22x%22.flac","","true","false","7","2026-11-06T21:32:00.250Z","9f-2","GLACIER"',
    '"catalog","music/cover.jpg","","true","false","1","2026-11-06T21:32:00.000Z","cc","STANDARD"',
    '"catalog","music/empty/","","true","false","0","2026-11-06T21:32:00.000Z","dd","STANDARD"',
]
ROWS = [line for line in LINES if '"true","false"' in line]
EXPECTED = [
    ("music/hip hop/deep/er/01 + 1.mp3", 4000, WHEN, "0a1b"),
    ('music/jazz/音楽, "x".flac', 7, WHEN, "9f-2"),
]


def csv(*lines: str) -> bytes:
    return gzip.compress("".join(f"{line}\n" for line in lines).encode())


def parquet(folder: Path, rows: Sequence[Row], schema: pa.Schema) -> bytes:
    pq.write_table(pa.Table.from_pylist(list(rows), schema), folder / "made.parquet", compression="snappy")
    return (folder / "made.parquet").read_bytes()


def report(
    folder: Path, *files: bytes, kind: str = "CSV", schema: str = ALL, source: str = "catalog", md5: str | None = None
) -> str:
    """A local copy of a destination bucket. Returns the path of the manifest."""
    listed = []
    for i, data in enumerate(files):
        key = f"{FOLDER}/data/{i}.{'csv.gz' if kind == 'CSV' else 'parquet'}"
        storage.write_bytes(str(folder / key), data)
        listed.append({"key": key, "size": len(data), "MD5checksum": md5 or hashlib.md5(data).hexdigest()})
    manifest = {
        "sourceBucket": source,
        "destinationBucket": "arn:aws:s3:::reports",
        "version": "2016-11-30",
        "creationTimestamp": "1794000000000",
        "fileFormat": kind,
        "fileSchema": schema,
        "files": listed,
    }
    path = str(folder / FOLDER / "2026-11-06T21-32Z" / "manifest.json")
    data = json.dumps(manifest).encode()
    storage.write_bytes(path, data)
    storage.write_bytes(path.replace(".json", ".checksum"), hashlib.md5(data).hexdigest().encode() + b"\n")
    return path


def write(url: str, folder: Path, layout: Layout = Layout.TREE, under: str | None = None) -> tuple[Listing, list[Row]]:
    listing = library.write(url, layout, str(folder / "listing.parquet"), under)
    rows = pq.read_table(listing.path)
    assert rows.schema.equals(inventory.ARROW)
    assert listing.rows == rows.num_rows
    assert not list(folder.glob("part*"))
    return listing, rows.to_pylist()


def told(rows: list[Row]) -> list[tuple[str, int, datetime, str]]:
    assert all(row["uri"].endswith(row["track_id"]) for row in rows)
    assert all(row["content_version"] == row["etag"] for row in rows)
    return [(row["uri"].removeprefix("s3://catalog/"), row["size"], row["modified_at"], row["etag"]) for row in rows]


def test_csv_with_all_versions(tmp_path: Path):
    listing, rows = write(report(tmp_path, csv(*LINES)), tmp_path)
    assert told(rows) == EXPECTED
    assert [row["track_id"] for row in rows] == [key for key, *_ in EXPECTED]
    assert (listing.not_audio, listing.root) == (1, "s3://catalog/music")


def test_csv_of_current_versions(tmp_path: Path):
    lines = [",".join(value for i, value in enumerate(line.split(",")) if i in (0, 1, 5, 6, 7)) for line in ROWS]
    _, rows = write(report(tmp_path, csv(*lines), schema=CURRENT), tmp_path)
    assert told(rows) == EXPECTED


PARQUET = pa.schema(
    [
        pa.field("bucket", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("version_id", pa.string()),
        pa.field("is_latest", pa.bool_()),
        pa.field("is_delete_marker", pa.bool_()),
        pa.field("size", pa.int64()),
        pa.field("last_modified_date", pa.timestamp("ms", tz="UTC")),
        pa.field("e_tag", pa.string()),
        pa.field("storage_class", pa.string()),
    ]
)


def stored(key: str, *, latest: bool = True, gone: bool = False, size: int | None = 7, etag: str | None = "9f-2") -> Row:
    return {
        "bucket": "catalog",
        "key": key,
        "is_latest": latest,
        "is_delete_marker": gone,
        "size": size,
        "last_modified_date": WHEN,
        "e_tag": etag,
    }


@pytest.mark.parametrize("text", [pa.string(), pa.binary(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_parquet(tmp_path: Path, text: pa.DataType):
    rows = [
        stored("music/hip hop/deep/er/01 + 1.mp3", size=4000, etag="0a1b"),
        stored("music/hip hop/deep/er/01 + 1.mp3", size=3000, latest=False),
        stored("music/jazz/gone.mp3", size=None, gone=True, etag=None),
        stored('music/jazz/音楽, "x".flac'),
        stored("music/cover.jpg"),
        stored("music/empty/"),
    ]
    schema = PARQUET.set(1, pa.field("key", text)).set(7, pa.field("e_tag", text))
    listing, found = write(report(tmp_path, parquet(tmp_path, rows, schema), kind="Parquet", schema="message"), tmp_path)
    assert told(found) == EXPECTED
    assert (listing.not_audio, listing.root) == (1, "s3://catalog/music")


def test_keys_in_parquet_are_as_they_are(tmp_path: Path):
    """URL-encoding is for CSV alone."""
    data = parquet(tmp_path, [stored("a+b%20c.mp3")], PARQUET)
    _, rows = write(report(tmp_path, data, kind="Parquet"), tmp_path)
    assert [row["track_id"] for row in rows] == ["a+b%20c.mp3"]


def test_a_part_of_the_bucket_is_the_library(tmp_path: Path):
    lines = [LINES[0].replace("music/", f"{folder}/") for folder in ("music", "music2", "archive/music")]
    url = report(tmp_path, csv(lines[0], lines[1]), csv(lines[2]))
    for under in ("s3://catalog/music", "s3://catalog/music/"):
        listing, rows = write(url, tmp_path, Layout.GENRE_FOLDERS, under)
        assert [(row["track_id"], row["genre"]) for row in rows] == [("hip hop/deep/er/01 + 1.mp3", "hip hop")]
        assert rows[0]["uri"] == "s3://catalog/music/hip hop/deep/er/01 + 1.mp3"
        assert (listing.root, listing.url) == ("s3://catalog/music", url)
    listing, rows = write(url, tmp_path, under="s3://catalog")
    assert (len(rows), listing.root) == (3, "s3://catalog")


@pytest.mark.parametrize("under", ["s3://other/music", "/music", "s3://catalog2", "s3://cat"])
def test_what_is_not_in_the_bucket(tmp_path: Path, under: str):
    with pytest.raises(UsageError, match=f"lists s3://catalog: --under {under} is not in it"):
        write(report(tmp_path, csv(*LINES)), tmp_path, under=under)


def test_under_is_for_inventories(tmp_path: Path):
    with pytest.raises(UsageError, match=r"is no manifest\.json of an S3 Inventory: leave out --under"):
        write(str(tmp_path), tmp_path, under="s3://catalog/music")


@pytest.mark.parametrize(
    ("keys", "root"),
    [
        (["a/x.mp3", "b/x.mp3"], "s3://catalog"),
        (["music/x.mp3", "music/sub/y.mp3"], "s3://catalog/music"),
        (["music/x.mp3", "music.txt"], "s3://catalog"),
        (["music/alb/x.mp3", "music/album/x.mp3"], "s3://catalog/music"),
        (["music/a/x.mp3"], "s3://catalog/music/a"),
        (["x.mp3"], "s3://catalog"),
    ],
)
def test_the_root_is_the_folder_of_all_that_is_listed(tmp_path: Path, keys: list[str], root: str):
    """Whether an inventory is of a whole bucket, its manifest does not say."""
    files = [csv(f'"catalog","{key}","1","2026-11-06T21:32:00.000Z","e"') for key in keys]
    listing, _ = write(report(tmp_path, *files, schema=CURRENT), tmp_path)
    assert listing.root == root


@pytest.mark.parametrize("files", [[], [csv()], [csv(), csv()]])
def test_an_empty_bucket(tmp_path: Path, files: list[bytes]):
    listing, rows = write(report(tmp_path, *files), tmp_path)
    assert (rows, listing.root, listing.not_audio) == ([], None, 0)


def test_without_etags_size_and_time_are_the_version(tmp_path: Path):
    line = '"catalog","a.mp3","4000","2026-11-06T21:32:00.250Z"'
    _, rows = write(report(tmp_path, csv(line), schema="Bucket, Key, Size, LastModifiedDate"), tmp_path)
    assert [(row["etag"], row["content_version"]) for row in rows] == [(None, "4000-1794000720.250000")]
    assert rows[0]["content_version"] == f"4000-{WHEN.timestamp():.6f}"


def test_without_times_etags_are_enough(tmp_path: Path):
    _, rows = write(report(tmp_path, csv('"catalog","a.mp3","4000","e"'), schema="Bucket, Key, Size, ETag"), tmp_path)
    assert [(row["modified_at"], row["content_version"]) for row in rows] == [(None, "e")]


@pytest.mark.parametrize(
    ("schema", "lacks"),
    [
        ("Bucket, Key, ETag", "Size"),
        ("Bucket, Key, Size", "ETag"),
        ("Bucket, Key, StorageClass", "Size, ETag"),
        ("Bucket, Size, ETag", "Key"),
    ],
)
def test_fields_that_must_be_there(tmp_path: Path, schema: str, lacks: str):
    with pytest.raises(UsageError, match=rf"0\.csv\.gz: no field {lacks}: add it to the inventory's configuration"):
        write(report(tmp_path, csv('"catalog","5","7"'), schema=schema), tmp_path)


def test_fields_that_must_be_there_in_parquet(tmp_path: Path):
    data = parquet(tmp_path, [stored("a.mp3")], pa.schema([PARQUET.field("key"), PARQUET.field("e_tag")]))
    with pytest.raises(UsageError, match=r"0\.parquet: no field Size: "):
        write(report(tmp_path, data, kind="Parquet"), tmp_path)


@pytest.mark.parametrize("line", ['"catalog","a.mp3","","2026-11-06T21:32:00.000Z","e"', '"catalog","a.mp3","1","",""'])
def test_an_object_of_which_nothing_is_known(tmp_path: Path, line: str):
    with pytest.raises(UsageError, match=r"s3://catalog/a\.mp3 has no size, or neither ETag nor LastModifiedDate"):
        write(report(tmp_path, csv(line), schema=CURRENT), tmp_path)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('"catalog","a.mp3"', "Expected 5 columns, got 2"),
        ('"catalog","a.mp3","many","2026-11-06T21:32:00.000Z","e"', "many"),
        ('"catalog","a.mp3","1","yesterday","e"', "yesterday"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, line: str, said: str):
    with pytest.raises(UsageError, match=rf"0\.csv\.gz cannot be read: .*{said}"):
        write(report(tmp_path, csv(line), schema=CURRENT), tmp_path)


def test_files_that_are_not_what_they_are_called(tmp_path: Path):
    with pytest.raises(UsageError, match=r"0\.csv\.gz cannot be read: .*gzip"):
        write(report(tmp_path, b"no gzip"), tmp_path)
    with pytest.raises(UsageError, match=r"0\.parquet cannot be read: "):
        write(report(tmp_path, b"no parquet", kind="Parquet"), tmp_path)


def test_a_file_that_is_not_what_the_manifest_says(tmp_path: Path):
    with pytest.raises(UsageError, match=r"0\.csv\.gz is not what the manifest says: its MD5 is [0-9a-f]{32}, not 5f3"):
        write(report(tmp_path, csv(*LINES), md5="5f3"), tmp_path)
    assert not list(tmp_path.glob("part*"))


def test_a_manifest_that_is_not_what_its_checksum_says(tmp_path: Path):
    url = report(tmp_path, csv(*LINES))
    Path(url).write_bytes(Path(url).read_bytes() + b" ")
    with pytest.raises(UsageError, match=r"manifest\.json is not what its manifest\.checksum says"):
        write(url, tmp_path)
    Path(url.replace(".json", ".checksum")).unlink()
    assert told(write(url, tmp_path)[1]) == EXPECTED


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"fileFormat": "CSV"}', '{"files": 1}', "\xff"])
def test_no_manifest(tmp_path: Path, text: str):
    (tmp_path / "manifest.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match=r"manifest\.json is no manifest of an S3 Inventory: "):
        write(str(tmp_path / "manifest.json"), tmp_path)
    with pytest.raises(UsageError, match=r"none\.json does not exist"):
        write(str(tmp_path / "none.json"), tmp_path)


def test_orc_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match="the inventory is written as ORC, which is not read: configure Parquet, or CSV"):
        write(report(tmp_path, csv(*LINES), kind="ORC"), tmp_path)


def test_a_file_that_is_gone(tmp_path: Path):
    url = report(tmp_path, csv(*LINES), csv(*LINES))
    (tmp_path / FOLDER / "data" / "1.csv.gz").unlink()
    with pytest.raises(StoreUnreachable, match=r"1\.csv\.gz does not exist"):
        write(url, tmp_path)


def test_a_track_that_stands_in_two_files(tmp_path: Path):
    with pytest.raises(UsageError, match=r"manifest\.json: track_id '.*' stands 2 times; every track needs its own"):
        write(report(tmp_path, csv(*LINES), csv(*LINES)), tmp_path)


def test_files_of_a_manifest_that_was_fetched_alone_are_in_the_bucket(tmp_path: Path):
    url = report(tmp_path / "copy", csv(*LINES))
    assert s3_inventory.read(url).files[0][0] == str(tmp_path / "copy" / FOLDER / "data" / "0.csv.gz")
    alone = tmp_path / "alone" / "manifest.json"
    storage.write_bytes(str(alone), Path(url).read_bytes())
    assert s3_inventory.read(str(alone)).files[0][0] == f"s3://reports/{FOLDER}/data/0.csv.gz"


def test_memory_holds_a_part_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(s3_inventory, "ROWS", 10)
    rows = [stored(f"{i:03}.mp3") for i in range(95)]
    found = s3_inventory.read(report(tmp_path, parquet(tmp_path, rows, PARQUET), kind="Parquet"))
    assert [some.num_rows for some in found.objects(str(tmp_path))] == [10] * 9 + [5]


def test_a_bucket_listed_both_ways_is_one_library(s3, tmp_path: Path):
    """Same tracks, same content versions: a night that lists by inventory labels nothing again."""
    for name, data in {"hip hop/ü + 1%20.mp3": b"12345", "jazz/x.flac": b"123", "jazz/cover.jpg": b"1"}.items():
        storage.write_bytes(s3.url("both", "music", name), data)
    listed, by_listing = write(s3.url("both", "music"), tmp_path, Layout.GENRE_FOLDERS)
    rows = [
        stored(each.uri.removeprefix(f"s3://{s3.bucket}/"), size=each.size, etag=each.etag)
        | {"last_modified_date": each.modified_at}
        for each in storage.walk(s3.url("both"))
    ]
    data = parquet(tmp_path, rows, PARQUET)
    storage.write_bytes(s3.url("reports", "data", "x.parquet"), data)
    manifest = {
        "sourceBucket": s3.bucket,
        "destinationBucket": f"arn:aws:s3:::{s3.bucket}",
        "fileFormat": "Parquet",
        "fileSchema": "message s3.inventory { required binary bucket (STRING); }",
        "files": [{"key": "reports/data/x.parquet", "size": len(data), "MD5checksum": hashlib.md5(data).hexdigest()}],
    }
    storage.write_bytes(s3.url("reports", "manifest.json"), json.dumps(manifest).encode())
    found, by_inventory = write(s3.url("reports", "manifest.json"), tmp_path, Layout.GENRE_FOLDERS, s3.url("both", "music"))
    in_order = [sorted(rows, key=lambda row: row["track_id"]) for rows in (by_listing, by_inventory)]
    assert in_order[0] == in_order[1]
    assert len(by_listing) == 2
    assert (found.root, found.not_audio) == (listed.root, listed.not_audio)
