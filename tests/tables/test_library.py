"""Folders, genre folders and manifests become the same inventory."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genre_batch.choices import Layout
from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.tables import library
from genre_batch.tables.library import Library
from schemas import inventory
from tests.rows import Row


def put(folder: Path, *names: str, data: bytes = b"RIFF") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def csv(folder: Path, text: str | bytes, name: str = "manifest.csv") -> str:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return str(folder / name)


def rows(listed: Library) -> dict[str, Row]:
    assert listed.tracks.schema.equals(inventory.ARROW)
    return {row["track_id"]: row for row in listed.tracks.to_pylist()}


def column(listed: Library, name: str) -> list[str | None]:
    return list(listed.tracks[name].to_pylist())


@pytest.mark.parametrize(
    "name",
    [
        *("a.mp3", "A.FLAC", "a.ogg", "a.opus", "a.wav", "a.m4a", "a.aif", "a.wma", "a.au", "a.mp4", "a.webm", "a.ape", "a.wv"),
        *("a", "01. Vladimír's ünïcode 音楽.mp3", "deep/er/no ending"),
    ],
)
def test_what_may_be_audio(name: str):
    assert library.is_audio(name)


@pytest.mark.parametrize(
    "name",
    [
        *("cover.jpg", "COVER.JPG", "notes.txt", "list.m3u", "album.cue", "album.nfo", "x.json", "x.csv", "x.parquet", "x.pdf"),
        *(".DS_Store", "._a.mp3", "rock/.hidden.mp3", "_lock.json", "_SUCCESS", "x.zip"),
    ],
)
def test_what_is_plainly_something_else(name: str):
    assert not library.is_audio(name)


def test_a_tree_knows_no_genres(tmp_path: Path):
    put(tmp_path, "rock/ü b/c d.mp3", "x.wav")
    put(tmp_path, "rock/cover.jpg", "readme.txt")
    listed = library.read(str(tmp_path), Layout.TREE)
    assert column(listed, "track_id") == ["rock/ü b/c d.mp3", "x.wav"]
    assert column(listed, "uri") == [f"{tmp_path}/rock/ü b/c d.mp3", f"{tmp_path}/x.wav"]
    assert column(listed, "genre") == [None, None]
    assert listed.not_audio == 2
    assert listed.url == str(tmp_path)


def test_in_genre_folders_the_first_folder_is_the_genre(tmp_path: Path):
    put(tmp_path, "hip hop/deep/er/a.mp3", "jazz/a.mp3", "x.wav")
    put(tmp_path, "jazz/cover.jpg", ".hidden/a.txt")
    listed = library.read(str(tmp_path), Layout.GENRE_FOLDERS)
    assert {track: row["genre"] for track, row in rows(listed).items()} == {
        "hip hop/deep/er/a.mp3": "hip hop",
        "jazz/a.mp3": "jazz",
        "x.wav": None,
    }
    assert listed.not_audio == 2
    assert column(listed, "artist") == [None] * 3


def test_a_slash_at_the_end_changes_nothing(tmp_path: Path):
    put(tmp_path, "jazz/a.mp3")
    plain, slash = (library.read(url, Layout.TREE) for url in (str(tmp_path), f"{tmp_path}/"))
    assert slash.tracks.equals(plain.tracks)
    assert slash.url == plain.url


def test_the_same_content_twice_is_two_tracks(tmp_path: Path):
    put(tmp_path, "a.wav", "b.wav", data=b"the very same")
    assert list(rows(library.read(str(tmp_path), Layout.TREE))) == ["a.wav", "b.wav"]


def version(folder: Path) -> str:
    return str(rows(library.read(str(folder), Layout.TREE))["a.wav"]["content_version"])


def test_the_version_changes_with_the_content_only(tmp_path: Path):
    put(tmp_path, "a.wav")
    os.utime(tmp_path / "a.wav", (1_700_000_000, 1_700_000_000))
    first = version(tmp_path)
    assert version(tmp_path) == first
    put(tmp_path, "a.wav", data=b"longer")
    os.utime(tmp_path / "a.wav", (1_700_000_000, 1_700_000_000))
    longer = version(tmp_path)
    os.utime(tmp_path / "a.wav", (1_700_000_000.001, 1_700_000_000.001))
    assert len({first, longer, version(tmp_path)}) == 3


def test_an_empty_folder_has_no_tracks(tmp_path: Path):
    listed = library.read(str(tmp_path), Layout.TREE)
    assert rows(listed) == {}
    assert listed.not_audio == 0


def test_no_folder_is_unreachable(tmp_path: Path):
    with pytest.raises(StoreUnreachable, match="none does not exist"):
        library.read(str(tmp_path / "none"), Layout.TREE)


def test_a_link_to_a_folder_is_listed_and_not_followed(tmp_path: Path):
    put(tmp_path, "a.wav")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert sorted(rows(library.read(str(tmp_path), Layout.TREE))) == ["a.wav", "loop"]


MANIFEST = """uri,track_id,genre,artist
ü b/c d.wav,007,hip hop,NA
{folder}/a.wav,1.50,,null
gone.wav,1e5,rock,
"""


def test_a_manifest_in_csv(tmp_path: Path):
    put(tmp_path, "a.wav", "ü b/c d.wav", data=b"12345")
    listed = library.read(csv(tmp_path, MANIFEST.format(folder=tmp_path)), Layout.GENRE_FOLDERS)
    found = rows(listed)
    assert column(listed, "uri") == [f"{tmp_path}/ü b/c d.wav", f"{tmp_path}/a.wav", f"{tmp_path}/gone.wav"]
    assert list(found) == ["007", "1.50", "1e5"]
    assert [row["genre"] for row in found.values()] == ["hip hop", None, "rock"]
    assert [row["artist"] for row in found.values()] == ["NA", "null", None]
    assert [row["size"] for row in found.values()] == [5, 5, None]
    assert found["1e5"]["content_version"] == "missing"
    assert "missing" not in (found["007"]["content_version"], found["1.50"]["content_version"])


def test_a_manifest_in_parquet_says_the_same(tmp_path: Path):
    put(tmp_path, "a.wav")
    table = pa.table(
        {
            "uri": ["a.wav", "gone.wav"],
            "track_id": [7, 8],
            "genre": pa.array(["rock", None]).dictionary_encode(),
            "year": [1, 2],
        }
    )
    pq.write_table(table, tmp_path / "manifest.parquet")
    found = rows(library.read(str(tmp_path / "manifest.parquet"), Layout.TREE))
    assert [(track, row["genre"], row["size"]) for track, row in found.items()] == [("7", "rock", 4), ("8", None, None)]


def test_without_track_ids_the_uris_as_written_are_used(tmp_path: Path):
    put(tmp_path, "a.wav", "b.wav")
    assert list(rows(library.read(csv(tmp_path, "uri\nb.wav\na.wav\n"), Layout.TREE))) == ["b.wav", "a.wav"]


def test_a_manifest_of_another_ending(tmp_path: Path):
    put(tmp_path, "a.wav")
    assert list(rows(library.read(csv(tmp_path, "uri\na.wav\n", "list"), Layout.MANIFEST))) == ["a.wav"]


def test_a_missing_row_is_missing_until_it_is_there(tmp_path: Path):
    manifest = csv(tmp_path, "uri\na.wav\n")
    assert rows(library.read(manifest, Layout.TREE))["a.wav"]["content_version"] == "missing"
    put(tmp_path, "a.wav")
    assert rows(library.read(manifest, Layout.TREE))["a.wav"]["content_version"] != "missing"


def test_a_row_that_names_a_folder_is_missing(tmp_path: Path):
    put(tmp_path, "album/a.wav")
    found = rows(library.read(csv(tmp_path, "uri\nalbum\n"), Layout.TREE))
    assert found["album"]["content_version"] == "missing"
    assert found["album"]["size"] is None


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbfuri,genre\na.wav,rock\n",
        b"uri,genre\r\na.wav,rock\r\n",
        b"uri,genre\na.wav,rock",
        b'"uri","genre"\n"a.wav","rock"\n',
        b"genre,uri\n\nrock,a.wav\n\n",
    ],
)
def test_csv_as_programs_write_it(tmp_path: Path, text: bytes):
    put(tmp_path, "a.wav")
    found = rows(library.read(csv(tmp_path, text), Layout.TREE))
    assert [(track, row["genre"], row["size"]) for track, row in found.items()] == [("a.wav", "rock", 4)]


def test_quotes_and_commas_belong_to_the_names(tmp_path: Path):
    put(tmp_path, 'it\'s, "x".wav')
    found = rows(library.read(csv(tmp_path, 'uri,artist\n"it\'s, ""x"".wav","Earth, Wind & Fire"\n'), Layout.TREE))
    assert [(track, row["artist"], row["size"]) for track, row in found.items()] == [
        ('it\'s, "x".wav', "Earth, Wind & Fire", 4)
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("track,genre\na.wav,rock\n", "no column uri: a manifest has uri and optionally track_id, genre, artist"),
        ("uri;genre\na.wav;rock\n", "no column uri"),
        ("uri,track_id\na.wav,1\nb.wav,1\n", "track_id '1' stands 2 times; every track needs its own"),
        ("uri\na.wav\na.wav\n", "track_id 'a.wav' stands 2 times"),
        ("uri,track_id\na.wav,\n", "track_id None stands 1 times"),
        ("uri,genre\na.wav,rock\n,rock\n", "row 2 has no uri"),
        ("uri,uri\na.wav,a.wav\n", "two columns of the same name among uri, uri"),
        ("uri,genre\na.wav,rock,pop\n", "cannot be read: .*Expected 2 columns, got 3"),
        ("", "cannot be read: Empty CSV file"),
        (b"uri,genre\na.wav,\xff\xfe\n", "cannot be read: .*invalid UTF8"),
    ],
)
def test_a_manifest_that_cannot_be_used(tmp_path: Path, text: str | bytes, said: str):
    with pytest.raises(UsageError, match=rf"manifest\.csv:? {said}"):
        library.read(csv(tmp_path, text), Layout.TREE)


def test_an_empty_track_id_in_parquet_is_refused(tmp_path: Path):
    pq.write_table(pa.table({"uri": ["a.wav"], "track_id": [""]}), tmp_path / "m.parquet")
    with pytest.raises(UsageError, match="track_id '' stands 1 times"):
        library.read(str(tmp_path / "m.parquet"), Layout.TREE)


def test_no_manifest_and_no_parquet(tmp_path: Path):
    with pytest.raises(UsageError, match=r"none\.csv does not exist"):
        library.read(str(tmp_path / "none.csv"), Layout.TREE)
    with pytest.raises(UsageError, match=r"bad\.parquet cannot be read"):
        library.read(csv(tmp_path, "no parquet", "bad.parquet"), Layout.TREE)


def test_artists_by_track_id_or_file_name(tmp_path: Path):
    put(tmp_path, "blues/blues.00001.wav", "blues/b.wav", "jazz/c.wav", "jazz/007.wav")
    listed = library.read(str(tmp_path), Layout.GENRE_FOLDERS)
    artists = csv(tmp_path, "track,artist\nblues.00001,Ada\njazz/c.wav,Bob\nb,\n007,Bond\nnobody,Eve\n", "artists.csv")
    known = library.with_artists(listed, artists)
    assert {track: row["artist"] for track, row in rows(known).items()} == {
        "blues/blues.00001.wav": "Ada",
        "blues/b.wav": None,
        "jazz/c.wav": "Bob",
        "jazz/007.wav": "Bond",
    }
    assert (known.url, known.not_audio) == (listed.url, listed.not_audio)


def test_an_artist_of_the_manifest_stands_where_the_file_says_nothing(tmp_path: Path):
    listed = library.read(csv(tmp_path, "uri,artist\na.wav,Ada\nb.wav,Bob\n"), Layout.TREE)
    known = library.with_artists(listed, csv(tmp_path, "track,artist\na.wav,Eve\n", "artists.csv"))
    assert column(known, "artist") == ["Eve", "Bob"]


def test_an_artists_file_without_its_columns(tmp_path: Path):
    listed = library.read(csv(tmp_path, "uri\na.wav\n"), Layout.TREE)
    with pytest.raises(UsageError, match="no column artist, track: an artists file has track and artist"):
        library.with_artists(listed, csv(tmp_path, "name,who\na,Ada\n", "artists.csv"))
    with pytest.raises(UsageError, match=r"none\.csv does not exist"):
        library.with_artists(listed, str(tmp_path / "none.csv"))
