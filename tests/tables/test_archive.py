"""A published archive is listed as a library is; what is broken, or was made to do harm, is refused in one sentence."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from genre_batch.errors import UsageError
from genre_batch.tables import archive
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


def test_an_archive_is_listed(tmp_path: Path):
    url = write(tmp_path)
    opened = archive.read(url, 8)
    np.testing.assert_array_equal(opened.of("rock.00002"), X[1])
    listed = opened.listing()
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
        return archive.read(write(tmp_path, **changes), 8).listing().tracks["content_version"].to_pylist()

    before = versions()
    assert versions(genre=np.array(["pop", "pop", "pop"]), split=None) == before
    changed = X.copy()
    changed[1, 0, 0] ^= 1
    after = versions(X=changed)
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, False, True]


def test_the_digest_is_that_of_the_file(tmp_path: Path):
    first = archive.read(write(tmp_path), 8).digest
    assert archive.read(write(tmp_path), 8).digest == first
    assert archive.read(write(tmp_path, split=None), 8).digest != first


def test_only_some_parts(tmp_path: Path):
    opened = archive.read(write(tmp_path), 8)
    assert opened.listing(["train"]).tracks["track_id"].to_pylist() == ["blues.00001", "rock.00001"]
    assert opened.listing(["valid", "train"]).tracks.num_rows == 3
    with pytest.raises(UsageError, match=r"npz: --only test: no such value in split, which has train, valid$"):
        opened.listing(["train", "test"])
    with pytest.raises(UsageError, match=r"npz has no array split: leave out --only$"):
        archive.read(write(tmp_path, split=None), 8).listing(["train"])


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
        archive.read(write(tmp_path, **changes), 8)
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
            archive.read(str(tmp_path / "bad.npz"), 8)
    for url in (tmp_path, tmp_path / "none.npz"):
        with pytest.raises(UsageError, match="does not exist, or is a folder"):
            archive.read(str(url), 8)


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
        archive.read(str(tmp_path / "bad.npz"), 8)
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
        archive.read(str(tmp_path / "bad.npz"), 8)
