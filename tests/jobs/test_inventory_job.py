"""inventory as people use it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from genre_batch.tables import library
from tests.running import job


@pytest.fixture
def music(tmp_path: Path) -> Path:
    for name in ("rock/a.mp3", "jazz/b.mp3", "jazz/c.mp3", "x.wav", "cover.jpg"):
        (tmp_path / "music" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "music" / name).write_bytes(b"x" * 50_000)
    return tmp_path / "music"


def test_a_listing_goes_where_it_is_asked_and_is_a_library(music: Path, capfd: pytest.CaptureFixture[str]):
    out = str(music.parent / "new folder" / "listing.parquet")
    ended = job(capfd, "inventory", "--library", str(music), "--out", out)
    assert (ended.code, ended.err) == (0, "")
    lines = ended.out.splitlines()
    assert lines[0] == f"4 recordings (0.2 MB), 1 other objects in {music}"
    assert lines[1:] == ["  jazz: 2", "  rock: 1", "  no genre: 1", f"written to {out}"]
    assert pq.read_metadata(out).metadata[library.ROOT.encode()] == str(music).encode()
    again = job(capfd, "inventory", "--library", out)
    assert again.out.splitlines() == [lines[0].replace(str(music), out), *lines[1:4]]


def test_a_manifest_tells_what_is_missing(music: Path, capfd: pytest.CaptureFixture[str]):
    (music / "manifest.csv").write_text("uri,genre\nrock/a.mp3,rock\nnone.mp3,\n")
    ended = job(capfd, "inventory", "--library", str(music / "manifest.csv"))
    assert ended.out.splitlines()[1:] == ["  rock: 1", "  no genre: 1", "  missing: 1"]


def test_a_listing_on_s3(music: Path, s3, capfd: pytest.CaptureFixture[str]):
    out = s3.url("listings", "music.parquet")
    assert job(capfd, "inventory", "--library", str(music), "--out", out).code == 0
    assert "4 recordings" in job(capfd, "inventory", "--library", out).out


def test_under_is_for_inventories(music: Path, capfd: pytest.CaptureFixture[str]):
    ended = job(capfd, "inventory", "--library", str(music), "--under", "s3://music")
    assert ended.code == 2
    assert "leave out --under" in ended.err
