"""`import-spectrograms` as a user runs it: an archive and pictures, on disk and on a real S3 server, again, and refused."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from genre_batch.cluster import segments
from genre_batch.front_end import GTZAN_PUBLISHED
from genre_batch.tables import delta, storage, store
from schemas import shards
from tests.conftest import SHARED
from tests.running import Ended, job
from tests.tables.test_described import write as write_features

Run = Callable[..., Ended]

X = np.random.default_rng(21).integers(1, 255, (6, 128, 387), dtype=np.uint8)
NAMES = ["blues.00002", "rock.00001", "rock.00002", "jazz.00001", "jazz.00002", "pop.00001"]
SPLIT = ["train", "train", "valid", "excluded", "train", "valid"]
COLUMNS = ["track_id", "segment", "start_s", "genre", "artist", "uri", "duration_s", "spectrogram", "descriptors"]
ARTISTS = "track,artist\nblues.00002,Ada\nrock.00001,Bo\n"


def npz(levels: np.ndarray = X, genres: list[str] | None = None) -> bytes:
    file = io.BytesIO()
    found = [name.split(".")[0] for name in NAMES] if genres is None else genres
    np.savez(file, X=levels, name=np.array(NAMES), genre=np.array(found), split=np.array(SPLIT))
    return file.getvalue()


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def run(ray_session: None, capfd: pytest.CaptureFixture[str]) -> Run:
    return lambda *arguments: job(capfd, "import-spectrograms", *arguments)


@pytest.fixture(params=["disk", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "disk" else request.getfixturevalue("s3").url(f"import-{tmp_path.name}")


def rows(url: str) -> list[dict[str, Any]]:
    found = store.read(url, shards.NAME, shards.ARROW, COLUMNS).to_pylist()
    return sorted(found, key=lambda row: (row["track_id"], row["segment"]))


def rejected(url: str, capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    ended = job(capfd, "query", "--tables", url, "SELECT * FROM rejects ORDER BY track_id", "--format", "json")
    return [json.loads(line) for line in ended.out.splitlines()]


def test_an_archive_becomes_shards_and_only_changes_are_done_again(run: Run, root: str) -> None:
    archive, artists, url = (storage.join(root, name) for name in ("published.npz", "artists.csv", "shards"))
    storage.write_bytes(archive, npz())
    storage.write_bytes(artists, ARTISTS.encode())
    arguments = ("--spectrograms", archive, "--artists", artists, "--shards", url)
    first = run(*arguments)
    assert first.code == 0, first.err
    assert "6 listed = 6 written + 0 rejected + 0 unchanged; 0 objects are no audio; 0.05 h of audio" in first.out
    found = rows(url)
    assert [(row["track_id"], row["segment"]) for row in found] == [(name, k) for name in sorted(NAMES) for k in range(3)]
    for row in found:
        i, start = NAMES.index(row["track_id"]), (0, 129, 258)[row["segment"]]
        assert row["spectrogram"] == X[i, :, start : start + 129].tobytes()
        assert row["genre"] == row["track_id"].split(".")[0]
        assert row["artist"] == {"blues.00002": "Ada", "rock.00001": "Bo"}.get(row["track_id"])
        assert (row["start_s"], row["uri"], row["descriptors"]) == (10.0 * row["segment"], archive, None)
        assert row["duration_s"] == pytest.approx(29.977, abs=1e-3)
    assert segments.open_shards(url).front_end == GTZAN_PUBLISHED

    version = delta.open_table(url, shards.NAME).version()
    assert "6 listed = 0 written + 0 rejected + 6 unchanged" in run(*arguments).out
    assert delta.open_table(url, shards.NAME).version() == version
    assert "3 listed = 3 written + 0 rejected + 0 unchanged" in run(*arguments, "--only", "train", "--redo", "all").out

    # Another spectrogram, another genre, another artist: each makes its track another.
    changed = X.copy()
    changed[0, 5, 200] = 0
    storage.write_bytes(archive, npz(changed, ["blues", "metal", "rock", "jazz", "jazz", "pop"]))
    storage.write_bytes(artists, f"{ARTISTS}jazz.00001,Cid\n".encode())
    assert "6 listed = 3 written + 0 rejected + 3 unchanged" in run(*arguments).out
    after = {(row["track_id"], row["segment"]): row for row in rows(url)}
    assert len(after) == 18
    assert after["blues.00002", 1]["spectrogram"] == changed[0, :, 129:258].tobytes()
    assert (after["rock.00001", 0]["genre"], after["jazz.00001", 2]["artist"]) == ("metal", "Cid")


def test_pictures_become_shards(run: Run, root: str, capfd: pytest.CaptureFixture[str]) -> None:
    folder, url = storage.join(root, "pictures"), storage.join(root, "shards")
    framed = np.full((148, 407, 4), 255, np.uint8)
    framed[10:138, 10:397] = colormaps["magma"](X[1][::-1], bytes=True)
    for name, data in {
        "blues/blues00002.png": png(X[0][::-1]),
        "rock/rock.00001.png": png(framed),
        "rock/loud.png": png(np.repeat(X[2][::-1], 2, axis=0)),
        "rock/photo.png": png(np.random.default_rng(0).integers(0, 255, (128, 387, 3), dtype=np.uint8)),
        "rock/short.png": png(X[0, :, :9]),
        "loose.png": png(X[0]),
        "rock/broken.png": b"\x89PNG\r\n\x1a\n",
        "rock/empty.png": b"",
        "README.txt": b"pictures",
    }.items():
        storage.write_bytes(storage.join(folder, name), data)
    storage.write_bytes(storage.join(root, "artists.csv"), ARTISTS.encode())
    arguments = ("--spectrograms", folder, "--artists", storage.join(root, "artists.csv"), "--shards", url)
    assert run(*arguments).code == 4
    ended = run(*arguments, "--max-reject-fraction", "1")
    assert "8 listed = 3 written + 5 rejected + 0 unchanged; 1 objects are no audio" in ended.out, ended.err
    found = {(row["track_id"], row["segment"]): row for row in rows(url)}
    assert len(found) == 9
    for name, i in (("blues/blues.00002", 0), ("rock/rock.00001", 1), ("rock/loud", 2)):
        for k, start in enumerate((0, 129, 258)):
            assert found[name, k]["spectrogram"] == X[i, :, start : start + 129].tobytes()
    assert (found["rock/rock.00001", 0]["artist"], found["rock/loud", 0]["artist"]) == ("Bo", None)
    assert found["rock/rock.00001", 0]["uri"] == storage.join(folder, "rock/rock.00001.png")
    refused = rejected(url, capfd)
    assert {row["track_id"]: row["reason"] for row in refused} == {
        "loose": "no_genre",
        "rock/broken": "undecodable",
        "rock/empty": "empty",
        "rock/photo": "undecodable",
        "rock/short": "too_short",
    }
    assert "8 listed = 0 written + 1 rejected + 7 unchanged" in run(*arguments).out


def test_descriptors_stand_beside_spectrograms(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    archive, url = str(tmp_path / "published.npz"), str(tmp_path / "shards")
    storage.write_bytes(archive, npz())
    whole = {f"{name}.{k}": 10 * i + k for i, name in enumerate(NAMES) for k in range(3)}
    there = {name: value for name, value in whole.items() if name != "jazz.00002.1"}
    arguments = ("--spectrograms", archive, "--shards", url, "--descriptors", write_features(tmp_path, there))
    ended = run(*arguments)
    assert "6 listed = 5 written + 1 rejected + 0 unchanged" in ended.out, ended.err
    found = rows(url)
    assert len(found) == 15
    for row in found:
        i = NAMES.index(row["track_id"])
        assert row["descriptors"] == pytest.approx([10 * i + row["segment"] + 0.001 * j for j in range(57)], abs=1e-9)
        assert row["spectrogram"] == X[i, :, 129 * row["segment"] : 129 * row["segment"] + 129].tobytes()
    (refused,) = rejected(url, capfd)
    assert (refused["track_id"], refused["stage"], refused["reason"]) == ("jazz.00002", "read", "missing")
    assert refused["detail"].startswith("segment 1 of jazz.00002 is not in ")

    # What was missing is there now, and one track is described anew.
    write_features(tmp_path, whole | {"pop.00001.2": 99})
    assert "6 listed = 2 written + 0 rejected + 4 unchanged" in run(*arguments).out
    assert rejected(url, capfd) == []
    assert {row["descriptors"][0] for row in rows(url) if row["track_id"] == "pop.00001"} == {50, 51, 99}

    without = run("--spectrograms", archive, "--shards", url)
    assert without.code == 2
    assert "give --shards another place, or the same front end" in without.err
    other = run(*arguments, "--segment-s", "15", "--shards", str(tmp_path / "other"))
    assert (other.code, other.out) == (2, "")
    assert other.err.endswith("features.csv describes segments of 10 s, not 15 s: give --segment-s 10, or another table\n")


@pytest.mark.parametrize(
    ("options", "name", "starts", "columns"),
    [
        (("--segment-s", "30"), "gtzan-published-30s", [0], 387),
        (("--segment-s", "15"), "gtzan-published-15s", [0, 193], 194),
        (("--segment-hop-s", "5"), "gtzan-published-10s-hop-5s", [0, 65, 129, 194, 258], 129),
    ],
)
def test_other_segments(run: Run, tmp_path: Path, options: tuple[str, ...], name: str, starts: list[int], columns: int) -> None:
    storage.write_bytes(str(tmp_path / "published.npz"), npz())
    url = str(tmp_path / "shards")
    ended = run("--spectrograms", str(tmp_path / "published.npz"), "--shards", url, *options)
    assert ended.code == 0, ended.err
    front_end = segments.open_shards(url).front_end
    assert (front_end.name, front_end.spectrogram_shape) == (name, (128, columns))
    mine = [row for row in rows(url) if row["track_id"] == "jazz.00001"]
    assert [row["spectrogram"] for row in mine] == [X[3, :, start : start + columns].tobytes() for start in starts]
    assert [row["start_s"] for row in mine] == [k * front_end.segment_hop_s for k in range(len(starts))]


def test_refusals_are_one_sentence_and_touch_nothing(run: Run, tmp_path: Path) -> None:
    archive, pictures, url = str(tmp_path / "published.npz"), str(tmp_path / "pictures"), str(tmp_path / "shards")
    storage.write_bytes(archive, npz())
    storage.write_bytes(f"{pictures}/blues/a.png", png(X[0]))
    storage.write_bytes(str(tmp_path / "no.npz"), b"no archive")
    for said, *arguments in (
        ("no.npz is no NumPy archive that can be read", "--spectrograms", str(tmp_path / "no.npz")),
        ("none.npz does not exist, or is a folder", "--spectrograms", str(tmp_path / "none.npz")),
        ("--only test: no such value in split", "--spectrograms", archive, "--only", "test"),
        ("leave out --colour-map", "--spectrograms", archive, "--colour-map", "jet"),
        ("leave out --only", "--spectrograms", pictures, "--only", "train"),
        ("no colour map 'rainbow'", "--spectrograms", pictures, "--colour-map", "rainbow"),
        ("--segment-s is 0.2", "--spectrograms", archive, "--segment-s", "0.2"),
        ("artists.csv does not exist", "--spectrograms", archive, "--artists", str(tmp_path / "artists.csv")),
        ("features.csv does not exist", "--spectrograms", archive, "--descriptors", str(tmp_path / "features.csv")),
    ):
        ended = run(*arguments, "--shards", url)
        assert (ended.code, ended.out) == (2, ""), said
        assert said in ended.err
        assert ended.err.startswith("error: ")
        assert ended.err.count("\n") == 1
    assert not Path(url).exists()


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"needs the published spectrograms in {SHARED.name}, which are not here")
def test_gtzan_as_it_is_published(run: Run, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    gtzan = SHARED / "gtzan"
    archive, url = str(gtzan / "logmel_u8_128x387.npz"), str(tmp_path / "shards")
    all_of_it = ("--spectrograms", archive, "--artists", str(gtzan / "artists.csv"))
    assert "709 listed = 709 written + 0 rejected + 0 unchanged" in run(*all_of_it, "--shards", url).out
    stored = store.read(url, shards.NAME, shards.ARROW, ["track_id", "segment", "artist", "spectrogram"]).to_pylist()
    assert len(stored) == 2127
    (first,) = [row for row in stored if (row["track_id"], row["segment"]) == ("blues.00000", 0)]
    with np.load(archive) as published:
        assert published["name"][0] == "blues.00000"
        assert first["spectrogram"] == published["X"][0, :, :129].tobytes()
    assert first["artist"] == "John Lee Hooker"

    beside, table = str(tmp_path / "beside"), str(gtzan / "features_10_sec.csv")
    parts = ("--only", "train", "--only", "valid")
    ended = run(*all_of_it, "--shards", beside, *parts, "--descriptors", table)
    # The table has two segments of eight tracks of which there are spectrograms of three.
    assert "639 listed = 631 written + 8 rejected + 0 unchanged" in ended.out
    assert {row["reason"] for row in rejected(beside, capfd)} == {"missing"}
    described = store.read(beside, shards.NAME, shards.ARROW, ["spectrogram", "descriptors"])
    assert described.num_rows == 3 * 631
    assert described["spectrogram"].null_count == described["descriptors"].null_count == 0
