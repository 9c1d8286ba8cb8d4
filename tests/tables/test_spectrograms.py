"""Published spectrograms are listed as a library is; what cannot be used is refused in one sentence."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.front_end import GTZAN_PUBLISHED, Descriptors
from genre_batch.tables import spectrograms
from genre_batch.tables.spectrograms import list_pictures, read_archive, versioned, with_artists
from schemas import inventory

X = np.random.default_rng(4).integers(0, 256, (3, 8, 5), dtype=np.uint8)
ARRAYS = {
    "X": X,
    "name": np.array(["blues.00001", "rock.00002", "rock.00001"]),
    "genre": np.array(["blues", "rock", ""]),
    "split": np.array(["train", "valid", "train"]),
}


def write(folder: Path, **changes: Any) -> str:
    """An archive; what is changed to None is left out."""
    url = str(folder / "spectrograms.npz")
    np.savez(url, **{name: array for name, array in (ARRAYS | changes).items() if array is not None})
    return url


def test_the_preset_is_the_front_end():
    assert spectrograms.front_end(10, 10) == GTZAN_PUBLISHED
    assert spectrograms.front_end(10, 10).digest == GTZAN_PUBLISHED.digest
    described = spectrograms.front_end(10, 10, described=True)
    assert (described.name, described.descriptors, described.spectrograms) == ("gtzan-published", Descriptors(), True)


@pytest.mark.parametrize(
    ("segment_s", "hop_s", "name", "n_frames"),
    [
        (10, 10, "gtzan-published", 129),
        (15, 15, "gtzan-published-15s", 194),
        (30, 30, "gtzan-published-30s", 387),
        (2.5, 2.5, "gtzan-published-2.5s", 32),
        (10, 5, "gtzan-published-10s-hop-5s", 129),
        (3, 1.5, "gtzan-published-3s-hop-1.5s", 39),
    ],
)
def test_other_lengths_have_other_names(segment_s: float, hop_s: float, name: str, n_frames: int):
    found = spectrograms.front_end(segment_s, hop_s)
    assert (found.name, found.segment_s, found.segment_hop_s) == (name, segment_s, hop_s)
    assert found.spectrogram_shape == (128, n_frames)


def test_lengths_that_cannot_be():
    with pytest.raises(UsageError, match=r"^--segment-s is 0\.5: it must be at least 1$"):
        spectrograms.front_end(0.5, 0.5)
    with pytest.raises(UsageError, match=r"^--segment-hop-s is 0: it must be at least one column, 0\.077 s$"):
        spectrograms.front_end(10, 0)
    for never in (float("nan"), float("inf")):
        with pytest.raises(UsageError, match=r"--segment-s is (nan|inf)"):
            spectrograms.front_end(never, never)
        with pytest.raises(UsageError, match=r"--segment-hop-s is (nan|inf)"):
            spectrograms.front_end(10, never)


def test_an_archive_is_listed(tmp_path: Path):
    url = write(tmp_path)
    archive = read_archive(url, 8)
    np.testing.assert_array_equal(archive.of("rock.00002"), X[1])
    listed = archive.listing()
    assert (listed.url, listed.not_audio) == (url, 0)
    assert listed.tracks.schema == inventory.ARROW
    rows = listed.tracks.to_pylist()
    assert [(row["track_id"], row["genre"]) for row in rows] == [
        ("blues.00001", "blues"),
        ("rock.00002", "rock"),
        ("rock.00001", None),
    ]
    assert {row["uri"] for row in rows} == {url}
    assert {row["size"] for row in rows} == {40}
    assert len({row["content_version"] for row in rows}) == 3


def test_a_version_is_that_of_the_levels_alone(tmp_path: Path):
    def versions(**changes: Any) -> list[str]:
        return read_archive(write(tmp_path, **changes), 8).listing().tracks["content_version"].to_pylist()

    before = versions()
    assert versions(genre=np.array(["pop", "pop", "pop"]), split=None) == before
    changed = X.copy()
    changed[1, 0, 0] ^= 1
    after = versions(X=changed)
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False, True]


def test_the_digest_is_that_of_the_file(tmp_path: Path):
    first = read_archive(write(tmp_path), 8).digest
    assert read_archive(write(tmp_path), 8).digest == first
    assert read_archive(write(tmp_path, split=None), 8).digest != first


def test_only_some_parts(tmp_path: Path):
    archive = read_archive(write(tmp_path), 8)
    assert archive.listing(["train"]).tracks["track_id"].to_pylist() == ["blues.00001", "rock.00001"]
    assert archive.listing(["valid", "train"]).tracks.num_rows == 3
    with pytest.raises(UsageError, match=r"npz: --only test: no such value in split, which has train, valid$"):
        archive.listing(["train", "test"])
    with pytest.raises(UsageError, match=r"npz has no array split: leave out --only$"):
        read_archive(write(tmp_path, split=None), 8).listing(["train"])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"X": None, "genre": None}, "no array X, genre: spectrograms come with X, name and genre, and optionally split"),
        ({"X": X.astype(np.float32)}, r"X is float32 \(3, 8, 5\): it must be uint8 \(tracks, bands, columns\), none of them 0"),
        ({"X": X[0]}, r"X is uint8 \(8, 5\): it must be uint8 \(tracks, bands, columns\), none of them 0"),
        ({"X": X[:0]}, r"X is uint8 \(0, 8, 5\): it must be"),
        ({"X": X[..., :0]}, r"X is uint8 \(3, 8, 0\): it must be"),
        ({"X": X[:, :7]}, "X has 7 bands, the front end gtzan-published has 8"),
        ({"name": np.array(["a", "b"])}, r"name is <U1 \(2,\): it must be 3 texts, one for each spectrogram of X"),
        ({"genre": np.arange(3)}, r"genre is int64 \(3,\): it must be 3 texts, one for each spectrogram of X"),
        ({"split": np.array(["train"])}, r"split is <U5 \(1,\): it must be 3 texts, one for each spectrogram of X"),
        ({"name": np.array(["a", "b", "a"])}, "the name 'a' stands twice; every track needs its own"),
        ({"name": np.array(["a", "", "b"])}, "the name '' is empty; every track needs its own"),
        ({"name": np.array(["a", None, "b"], object)}, "is no NumPy archive that can be read: Object arrays cannot be loaded"),
    ],
)
def test_archives_that_cannot_be_used(tmp_path: Path, changes: dict[str, Any], said: str):
    with pytest.raises(UsageError, match=rf"spectrograms\.npz(:)? {said}") as caught:
        read_archive(write(tmp_path, **changes), 8)
    assert "\n" not in str(caught.value)


def test_what_is_no_archive(tmp_path: Path):
    alone = io.BytesIO()
    np.save(alone, X)
    whole = Path(write(tmp_path)).read_bytes()
    middle = len(whole) // 4
    broken = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    encrypted = bytearray(whole)
    encrypted[whole.index(b"PK\x01\x02") + 8] |= 1  # as the directory says of its first file
    for data in (b"", b"no archive", alone.getvalue(), whole[:-30], broken, bytes(encrypted)):
        (tmp_path / "bad.npz").write_bytes(data)
        with pytest.raises(UsageError, match=r"bad\.npz is no NumPy archive that can be read: "):
            read_archive(str(tmp_path / "bad.npz"), 8)
    for url in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(UsageError, match="does not exist, or is a folder"):
            read_archive(str(url), 8)


def member(array: np.ndarray, *, shape: str | None = None) -> bytes:
    """As it lies in an archive; with another shape in its header, or what stands there instead of one."""
    file = io.BytesIO()
    np.save(file, array)
    data = file.getvalue()
    if shape is None:
        return data
    head, told = data[:10], data[10:128].replace(str(array.shape).encode(), shape.encode()).rstrip()
    return head + told[:117].ljust(117) + b"\n" + data[128:]


BAD_POINT, BAD_ALONE = (member(array)[:-4] + b"\xff\xff\xff\xff" for array in (ARRAYS["name"], np.array(["a", "b", "c"])))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"X": b"no array"}, r" is no NumPy archive that can be read: X is no array"),
        ({"X": member(X, shape="(1000000000, 128, 387)")}, r" is no NumPy archive that can be read: Unable to allocate"),
        (
            {"X": member(X, shape="(10000000000000000000000, 8, 5)")},
            r" is no NumPy archive that can be read: Python int too large",
        ),
        ({"X": member(X, shape="(3, 8, 5")}, r" is no NumPy archive that can be read: .*EOF"),
        ({"X": member(X, shape="((((((((3, 8, 5")}, r" is no NumPy archive that can be read: "),
        ({"X": member(X, shape="{[]: 1}")}, r" is no NumPy archive that can be read: unhashable"),
        ({"name": BAD_POINT}, r": name holds U\+FFFFFFFF, which is no character"),
        ({"name": BAD_ALONE}, r": name holds U\+FFFFFFFF, which is no character"),
        ({"name": member(np.array(["a", "b\udcff", "c"]))}, r": name holds U\+DCFF, which is no character"),
        ({"split": member(np.array(["a", "b\udcff", "c"]))}, r": split holds U\+DCFF, which is no character"),
    ],
)
def test_archives_that_were_made_to_do_harm(tmp_path: Path, changes: dict[str, bytes], said: str):
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as file:
        for name, data in ({name: member(array) for name, array in ARRAYS.items()} | changes).items():
            file.writestr(f"{name}.npy", data)
    with pytest.raises(UsageError, match=rf"bad\.npz{said}") as caught:
        read_archive(str(tmp_path / "bad.npz"), 8)
    assert "\n" not in str(caught.value)


def test_an_archive_that_cannot_be_unpacked(tmp_path: Path):
    """As LZMA says it, of bytes that are not its own."""
    with zipfile.ZipFile(tmp_path / "bad.npz", "w", zipfile.ZIP_LZMA) as file:
        for name, array in ARRAYS.items():
            file.writestr(f"{name}.npy", member(array))
    whole = (tmp_path / "bad.npz").read_bytes()
    start = whole.index(b"X.npy") + len("X.npy") + 9
    (tmp_path / "bad.npz").write_bytes(whole[:start] + b"\xff" * 40 + whole[start + 40 :])
    with pytest.raises(UsageError, match=r"bad\.npz is no NumPy archive that can be read: "):
        read_archive(str(tmp_path / "bad.npz"), 8)


def folder(root: Path, *paths: str) -> str:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(path.encode())
    return str(root)


def test_pictures_are_listed(tmp_path: Path):
    url = folder(
        tmp_path,
        *("blues/blues.00000.png", "blues/blues00001.png", "blues/blues000012.png", "hip hop/disc 1/A.PNG", "loose.png"),
        *("README.txt", "blues/._blues00001.png", "blues/cover.jpg"),
    )
    listed = list_pictures(url)
    assert listed.not_audio == 3
    assert listed.tracks.schema == inventory.ARROW
    rows = listed.tracks.to_pylist()
    assert [(row["track_id"], row["uri"].removeprefix(url), row["genre"], row["size"]) for row in rows] == [
        ("blues/blues.00000", "/blues/blues.00000.png", "blues", 21),
        ("blues/blues.00001", "/blues/blues00001.png", "blues", 20),
        ("blues/blues000012", "/blues/blues000012.png", "blues", 21),
        ("hip hop/disc 1/A", "/hip hop/disc 1/A.PNG", "hip hop", 20),
        ("loose", "/loose.png", None, 9),
    ]
    before = listed.tracks["content_version"].to_pylist()
    (tmp_path / "loose.png").write_bytes(b"another")
    after = list_pictures(url).tracks["content_version"].to_pylist()
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, True, True, True, False]


def test_folders_that_cannot_be_used(tmp_path: Path):
    with pytest.raises(UsageError, match=r"holds no spectrograms: give an \.npz file, or a folder of genre folders with \.png"):
        list_pictures(folder(tmp_path, "blues/a.txt"))
    with pytest.raises(UsageError, match=r"the name 'blues/blues\.00001' stands twice"):
        list_pictures(folder(tmp_path, "blues/blues00001.png", "blues/blues.00001.png"))
    with pytest.raises(StoreUnreachable, match="does not exist"):
        list_pictures(str(tmp_path / "nowhere"))


def test_artists_join_by_name(tmp_path: Path):
    known = tmp_path / "artists.csv"
    known.write_text("track,artist,title\nblues.00000,Ada,x\nhip hop/A,Bo,x\nA,Cid,x\nB,,x\n")
    url = folder(tmp_path / "pictures", "blues/blues00000.png", "hip hop/A.png", "rock/A.png", "rock/B.png", "rock/C.png")
    listed = with_artists(list_pictures(url), str(known))
    assert listed.tracks["artist"].to_pylist() == ["Ada", "Bo", "Cid", None, None]
    assert listed.tracks.schema == inventory.ARROW
    archive = read_archive(write(tmp_path, name=np.array(["blues.00000", "A", "B"])), 8).listing()
    assert with_artists(archive, str(known)).tracks["artist"].to_pylist() == ["Ada", "Cid", None]
    known.write_text("track,artist\nblues00000,Ada\n")
    with pytest.raises(UsageError, match=r"artist of none of the 5 tracks: .* such as 'blues00000', .* 'blues/blues\.00000'"):
        with_artists(list_pictures(url), str(known))


def test_names_are_those_of_the_fault_filtered_lists(tmp_path: Path):
    from genre_batch.choices import Protocol
    from genre_batch.splits import split

    # One track of each list.
    paths = ("blues/blues00029.png", "blues/blues.00000.png", "blues/blues.00012.png")
    parted = split(list_pictures(folder(tmp_path, *paths)).tracks, Protocol.FAULT_FILTERED, seed=0)
    assert dict(zip(parted["track_id"].to_pylist(), parted["part"].to_pylist(), strict=True)) == {
        "blues/blues.00000": "valid",
        "blues/blues.00012": "test",
        "blues/blues.00029": "train",
    }


def test_versions_change_with_what_is_said_of_a_track(tmp_path: Path):
    listed = read_archive(write(tmp_path), 8).listing()
    before = listed.tracks["content_version"].to_pylist()
    after = versioned(listed, {"blues.00001": "a", "rock.00002": "b", "rock.00001": "c"}.__getitem__).tracks
    assert after["content_version"].to_pylist() == [f"{version}-{said}" for version, said in zip(before, "abc", strict=True)]
    assert after.schema == inventory.ARROW
