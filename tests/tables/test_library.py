"""Folders, genre folders and manifests become the same inventory."""

import hashlib
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from genre_batch.choices import Layout
from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.tables import library, recordings, storage
from genre_batch.tables.library import Contents, Library, Listing
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
        *("a", "01. Vladimír's ünïcode 音楽.mp3", "deep/er/no ending", "a.mp3.gz", "x.gz", "a.jpg/b", "a.unheard-of", "a."),
    ],
)
def test_what_may_be_audio(name: str):
    assert library.is_audio(name)


@pytest.mark.parametrize(
    "name",
    [
        *("cover.jpg", "COVER.JPG", "notes.txt", "list.m3u", "album.cue", "album.nfo", "x.json", "x.csv", "x.parquet", "x.pdf"),
        *(".DS_Store", "._a.mp3", "rock/.hidden.mp3", "_lock.json", "_SUCCESS", "x.zip", "x.json.gz", "x.tar.gz", "x.tgz"),
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


def test_no_order_of_the_disk_changes_a_listing(tmp_path: Path):
    put(tmp_path, "b/x.wav", "a b.wav", "a/x.wav", "a-b/x.wav", "a.wav", "Z.wav", "ü.wav", "a/b/x.wav")
    names = column(library.read(str(tmp_path), Layout.TREE), "track_id")
    assert names == sorted(str(name) for name in names)
    assert len(names) == 8


def test_a_link_to_nothing_is_listed(tmp_path: Path):
    put(tmp_path, "a.wav")
    (tmp_path / "b.wav").symlink_to(tmp_path / "none")
    assert list(rows(library.read(str(tmp_path), Layout.TREE))) == ["a.wav", "b.wav"]


def test_a_folder_that_cannot_be_listed_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Its tracks would be marked as deleted."""
    put(tmp_path / "music", "a.wav", "shut/b.wav")
    real = os.scandir

    def scandir(path: str):
        if path.endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StoreUnreachable, match="access refused"):
        listed(str(tmp_path / "music"), tmp_path)


def test_a_folder_that_is_removed_meanwhile_is_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path / "music", "a.wav", "gone/b.wav")
    real = os.scandir

    def scandir(path: str):
        if path.endswith("gone"):
            raise FileNotFoundError(2, "No such file or directory", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = listed(str(tmp_path / "music"), tmp_path)
    assert pq.read_table(found.path)["track_id"].to_pylist() == ["a.wav"]


def test_a_library_that_is_taken_away_meanwhile_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    put(tmp_path / "music", "a.wav")

    def scandir(path: str):
        (tmp_path / "music").rename(tmp_path / "unmounted")
        raise FileNotFoundError(2, "No such file or directory", path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(StoreUnreachable, match="music does not exist"):
        listed(str(tmp_path / "music"), tmp_path)


def test_a_name_that_is_no_text(tmp_path: Path):
    with open(os.fsencode(str(tmp_path)) + b"/\xe9.wav", "wb"):
        pass
    with pytest.raises(UsageError, match=r"udce9\.wav' is a name in no known encoding \(it is not UTF-8\): rename it"):
        library.read(str(tmp_path), Layout.TREE)


def listed(url: str, folder: Path, layout: Layout = Layout.TREE) -> Listing:
    found = library.write(url, layout, str(folder / "listing.parquet"))
    assert pq.read_metadata(found.path).num_rows == found.rows
    assert pq.read_schema(found.path).equals(inventory.ARROW)
    return found


def test_a_listing_is_a_file_with_the_rows_of_the_library(tmp_path: Path):
    put(tmp_path / "music", "rock/a.mp3", "b.mp3", "rock/cover.jpg")
    found = listed(str(tmp_path / "music") + "/", tmp_path, Layout.GENRE_FOLDERS)
    library_ = library.read(str(tmp_path / "music"), Layout.GENRE_FOLDERS)
    assert pq.read_table(found.path).equals(library_.tracks)
    assert (found.url, found.root, found.rows, found.not_audio) == (str(tmp_path / "music"), str(tmp_path / "music"), 2, 1)
    assert library.contents(found) == Contents(size=8, missing=0, genres={"rock": 1, None: 1})


def test_a_long_listing_is_written_bit_by_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(recordings, "ROWS", 3)
    put(tmp_path / "music", *(f"{i:02}.mp3" for i in range(10)), "cover.jpg")
    found = listed(str(tmp_path / "music"), tmp_path)
    assert pq.read_metadata(found.path).num_row_groups == 4
    assert pq.read_table(found.path)["track_id"].to_pylist() == [f"{i:02}.mp3" for i in range(10)]
    assert found.not_audio == 1


def test_a_manifest_names_some_tracks_only(tmp_path: Path):
    put(tmp_path, "a.wav")
    found = listed(csv(tmp_path, "uri,genre\na.wav,rock\ngone.wav,rock\nx.wav,\n"), tmp_path)
    assert (found.root, found.rows, found.not_audio) == (None, 3, 0)
    assert library.contents(found) == Contents(size=4, missing=2, genres={"rock": 2, None: 1})


def test_a_listing_given_as_a_library_is_taken_as_it_is(tmp_path: Path):
    put(tmp_path / "music", "rock/a.mp3", "b.mp3", "rock/cover.jpg")
    first = library.write(str(tmp_path / "music"), Layout.GENRE_FOLDERS, str(tmp_path / "made.parquet"))
    before = pq.read_table(first.path)
    (tmp_path / "music" / "b.mp3").unlink()
    (tmp_path / "music" / "rock" / "a.mp3").write_bytes(b"changed")
    again = listed(first.path, tmp_path)
    assert pq.read_table(again.path).equals(before)
    assert (again.url, again.root, again.rows, again.not_audio) == (first.path, first.root, 2, 1)
    assert library.read(first.path, Layout.TREE).tracks.equals(before)


def test_a_listing_of_a_manifest_is_looked_up_again(tmp_path: Path):
    put(tmp_path, "a.wav")
    first = library.write(csv(tmp_path, "uri,genre\na.wav,rock\n"), Layout.TREE, str(tmp_path / "made.parquet"))
    put(tmp_path, "a.wav", data=b"changed")
    found = rows(library.read(first.path, Layout.TREE))
    assert [(track, row["genre"], row["size"]) for track, row in found.items()] == [("a.wav", "rock", 7)]


def test_a_listing_that_somebody_broke(tmp_path: Path):
    put(tmp_path / "music", "a.mp3", "b.mp3")
    first = library.write(str(tmp_path / "music"), Layout.TREE, str(tmp_path / "made.parquet"))
    table = pq.read_table(first.path)
    for name, broken, said in (
        ("twice", pa.concat_tables([table, table]), r"track_id '[ab]\.mp3' stands 2 times"),
        ("narrow", table.drop_columns(["etag"]), "was listed by another version, without etag: list the library again"),
    ):
        path = str(tmp_path / f"{name}.parquet")
        with pq.ParquetWriter(path, broken.schema) as file:
            file.write_table(broken)
            file.add_key_value_metadata({library.ROOT: "/music", library.NOT_AUDIO: "0"})
        with pytest.raises(UsageError, match=said):
            listed(path, tmp_path)


def test_a_listing_that_has_no_room(tmp_path: Path):
    put(tmp_path, "a.mp3")
    with pytest.raises(StoreUnreachable, match="does not exist"):
        library.write(str(tmp_path), Layout.TREE, str(tmp_path / "none" / "listing.parquet"))


def test_s3_lists_as_a_disk_does(s3, tmp_path: Path):
    names = ["rock/ü b/01 + 1%20.mp3", "rock/a.mp3", "a.wav", "cover.jpg", "rock2/a.mp3"]
    for name in names:
        storage.write_bytes(s3.url("lists", "music", name), b"12345")
    storage.write_bytes(s3.url("lists", "music2", "x.mp3"), b"1")
    found = listed(s3.url("lists", "music"), tmp_path, Layout.GENRE_FOLDERS)
    assert (found.root, found.rows, found.not_audio) == (s3.url("lists", "music"), 4, 1)
    tracks = {row["track_id"]: row for row in pq.read_table(found.path).to_pylist()}
    assert {track: row["genre"] for track, row in tracks.items()} == {
        "rock/ü b/01 + 1%20.mp3": "rock",
        "rock/a.mp3": "rock",
        "a.wav": None,
        "rock2/a.mp3": "rock2",
    }
    for track, row in tracks.items():
        assert row["uri"] == s3.url("lists", "music", track)
        assert row["content_version"] == row["etag"] == hashlib.md5(b"12345").hexdigest()
        assert storage.stat(row["uri"]) == storage.StoredObject(row["uri"], 5, row["modified_at"], row["etag"])


def test_s3_is_listed_page_by_page(s3, tmp_path: Path):
    import s3fs  # 1,050 objects one after the other would take a while

    s3fs.S3FileSystem(endpoint_url=s3.endpoint).pipe({s3.url("pages", f"{i:04}.mp3"): b"x" for i in range(1050)})
    found = listed(s3.url("pages"), tmp_path)
    assert sorted(pq.read_table(found.path)["track_id"].to_pylist()) == [f"{i:04}.mp3" for i in range(1050)]


def test_what_is_not_on_s3(s3, tmp_path: Path):
    storage.write_bytes(s3.url("there", "x.mp3"), b"x")
    for url in (s3.url("nowhere"), s3.url("the"), s3.url("there", "x.mp3"), "s3://no-such-bucket", "s3://no-such-bucket/music"):
        with pytest.raises(StoreUnreachable, match=f"{url} does not exist"):
            listed(url, tmp_path)


def test_an_empty_folder_of_s3_has_no_tracks(s3, tmp_path: Path):
    """As a console makes it: an object whose name ends with a slash."""
    import s3fs

    s3fs.S3FileSystem(endpoint_url=s3.endpoint).call_s3("put_object", Bucket=s3.bucket, Key="bare/", Body=b"")
    assert listed(s3.url("bare"), tmp_path).rows == 0


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


def test_artists_of_none_of_the_tracks_are_refused(tmp_path: Path):
    put(tmp_path, "blues/blues.00001.wav", "blues/blues.00002.wav")
    listed = library.read(str(tmp_path), Layout.GENRE_FOLDERS)
    with pytest.raises(UsageError) as caught:
        library.with_artists(listed, csv(tmp_path, "track,artist\nblues00001,Ada\nblues00002,Bo\n", "artists.csv"))
    assert str(caught.value) == (
        f"{tmp_path / 'artists.csv'} names the artist of none of the 2 tracks: it has tracks such as 'blues00001', and the tracks "
        "have ids such as 'blues/blues.00001.wav'"
    )
    with pytest.raises(UsageError, match=r"none of the 2 tracks: it has no track with an artist, and"):
        library.with_artists(listed, csv(tmp_path, "track,artist\nblues.00001,\n", "artists.csv"))


def test_artists_of_some_tracks_are_told_and_of_all_are_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    put(tmp_path, "blues/a.wav", "blues/b.wav")
    listed = library.read(str(tmp_path), Layout.GENRE_FOLDERS)
    library.with_artists(listed, csv(tmp_path, "track,artist\na,Ada\nblues/b.wav,Bo\n", "artists.csv"))
    assert capsys.readouterr().err == ""
    library.with_artists(listed, csv(tmp_path, "track,artist\na,Ada\nb,\n", "artists.csv"))
    assert capsys.readouterr().err == f"warning: {tmp_path / 'artists.csv'} names the artists of 1 of 2 tracks\n"


def test_a_track_of_two_artists_is_refused(tmp_path: Path):
    put(tmp_path, "blues/a.wav")
    listed = library.read(str(tmp_path), Layout.GENRE_FOLDERS)
    twice = csv(tmp_path, "track,artist\na,Ada\na,\na,Ada\n", "artists.csv")
    assert library.with_artists(listed, twice).tracks["artist"].to_pylist() == ["Ada"]
    with pytest.raises(UsageError, match=r"artists\.csv: 'a' is by 'Ada' and by 'Bo': a track has one artist$"):
        library.with_artists(listed, csv(tmp_path, "track,artist\na,Ada\na,Bo\n", "artists.csv"))


def test_an_artists_file_without_its_columns(tmp_path: Path):
    listed = library.read(csv(tmp_path, "uri\na.wav\n"), Layout.TREE)
    with pytest.raises(UsageError, match="no column artist, track: an artists file has track and artist"):
        library.with_artists(listed, csv(tmp_path, "name,who\na,Ada\n", "artists.csv"))
    with pytest.raises(UsageError, match=r"none\.csv does not exist"):
        library.with_artists(listed, str(tmp_path / "none.csv"))
