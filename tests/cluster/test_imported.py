"""A source is opened in the driver and in each worker alike; both see the same files, or the run stops."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from PIL import Image

from genre_batch.cluster import tally
from genre_batch.cluster.imported import Importer, Opened, Source
from genre_batch.cluster.run import Stamp
from genre_batch.errors import Missing, Undecodable, UsageError
from genre_batch.tables import spectrograms, store
from schemas import rejects, shards
from tests.tables.test_described import write as write_features

FRONT_END = spectrograms.front_end(10, 10)
DESCRIBED = spectrograms.front_end(10, 10, described=True)
X = np.random.default_rng(8).integers(1, 255, (3, 128, 387), dtype=np.uint8)
NAMES = ["rock.00001", "blues.00002", "blues.00003"]


@pytest.fixture
def archive(tmp_path: Path) -> str:
    url = str(tmp_path / "published.npz")
    np.savez(url, X=X, name=np.array(NAMES), genre=np.array(["rock", "blues", ""]), split=np.array(["train", "valid", "train"]))
    return url


@pytest.fixture
def folder(tmp_path: Path) -> str:
    for name, levels in zip(("rock/rock00001.png", "blues/blues00002.png"), X, strict=False):
        (tmp_path / "pictures" / name).parent.mkdir(parents=True)
        Image.fromarray(levels[::-1]).save(tmp_path / "pictures" / name)
    (tmp_path / "pictures" / "blues" / "broken.png").write_bytes(b"no picture")
    return str(tmp_path / "pictures")


def test_options_that_do_not_go_together(archive: str, folder: str):
    with pytest.raises(UsageError, match=r"published\.npz holds levels, not colours: leave out --colour-map"):
        Source(url=archive, colour_map="jet")
    with pytest.raises(UsageError, match="pictures: pictures have no split: leave out --only"):
        Source(url=folder, only=("train",))
    with pytest.raises(UsageError, match="no colour map 'rainbow'"):
        Source(url=folder, colour_map="rainbow")


def test_segments_of_an_archive(archive: str):
    opened = Opened(Source(url=archive, only=("train",)), FRONT_END)
    listed = opened.listing().tracks.to_pylist()
    assert [row["track_id"] for row in listed] == ["rock.00001", "blues.00003"]
    found = opened.features(listed[1])
    np.testing.assert_array_equal(found.spectrograms, [X[2, :, start : start + 129] for start in (0, 129, 258)])
    assert found.descriptors is None


def test_segments_of_pictures_are_those_of_the_archive(archive: str, folder: str):
    opened = Opened(Source(url=folder), FRONT_END)
    tracks = {row["track_id"]: row for row in opened.listing().tracks.to_pylist()}
    rock, blues, broken = (tracks[name] for name in ("rock/rock.00001", "blues/blues.00002", "blues/broken"))
    np.testing.assert_array_equal(opened.features(rock).spectrograms[2], X[0, :, 258:])
    np.testing.assert_array_equal(opened.features(blues).spectrograms[0], X[1, :, :129])
    with pytest.raises(Undecodable, match="no PNG"):
        opened.features(broken)
    Path(blues["uri"]).unlink()
    with pytest.raises(Missing, match=r"blues00002\.png is not there"):
        opened.features(blues)


def test_descriptors_join(archive: str, tmp_path: Path):
    opened = Opened(Source(url=archive, descriptors=write_features(tmp_path)), DESCRIBED)
    rock, blues, _ = opened.listing().tracks.to_pylist()
    found = opened.features(rock)
    assert found.spectrograms.shape == (3, 128, 129)
    np.testing.assert_allclose(found.descriptors[:, 0], [2, 1, 4])
    with pytest.raises(Missing, match=r"segment 1 of blues\.00002"):
        opened.features(blues)


def versions(source: Source, described: bool = False) -> dict[str, str]:
    tracks = Opened(source, DESCRIBED if described else FRONT_END).listing().tracks
    return dict(zip(tracks["track_id"].to_pylist(), tracks["content_version"].to_pylist(), strict=True))


def test_what_changes_a_version(archive: str, folder: str, tmp_path: Path):
    plain = versions(Source(url=archive))
    first = versions(Source(url=archive, descriptors=write_features(tmp_path)), described=True)
    changed = write_features(tmp_path, {"rock.00001.0": 2, "rock.00001.1": 1, "rock.00001.2": 4, "blues.00002.0": 9})
    second = versions(Source(url=archive, descriptors=changed), described=True)
    assert [name for name in NAMES if first[name] != second[name]] == ["blues.00002"]
    assert all(first[name].startswith(f"{plain[name]}-") for name in NAMES)
    found_out, named = versions(Source(url=folder)), versions(Source(url=folder, colour_map="gray"))
    assert named == {name: f"{version}-gray" for name, version in found_out.items()}


def worker(source: Source, url: Path, digests: tuple[str | None, str | None] | None = None) -> Importer:
    counted = ray.remote(num_cpus=0)(tally.Tally).remote()
    stamp = Stamp("import-spectrograms", str(url), "run1", FRONT_END.digest)
    return Importer(stamp, FRONT_END, source, Opened(source, FRONT_END).digests if digests is None else digests, counted)


def test_a_worker_accounts_for_every_track(ray_session: None, archive: str, tmp_path: Path):
    source = Source(url=archive)
    importer = worker(source, tmp_path / "out")
    tracks: list[dict[str, Any]] = Opened(source, FRONT_END).listing().tracks.to_pylist()
    written = importer(tracks)
    assert (written.done, written.rejected, written.profile.reasons) == (2, 1, {"no_genre": 1})
    assert written.checksum == store.checksum(NAMES)
    assert written.audio_s == pytest.approx(2 * 387 * 1708 / 22_050)
    assert {receipt.table: receipt.rows for receipt in written.receipts} == {shards.NAME: 6, rejects.NAME: 1}
    assert ray.get(importer.told.counted.seen.remote()) == {"written": 2, "no_genre": 1, "audio_s": 60}
    nothing = worker(source, tmp_path / "none")([])
    assert (nothing.receipts, nothing.done, nothing.rejected) == ([], 0, 0)


def test_a_file_that_changes_during_the_run_stops_it(ray_session: None, archive: str, tmp_path: Path):
    source = Source(url=archive)
    before = Opened(source, FRONT_END).digests
    np.savez(archive, X=X[:1], name=np.array(NAMES[:1]), genre=np.array(["rock"]))
    with pytest.raises(UsageError, match=r"published\.npz, or its descriptors, changed during the run; nothing was published"):
        worker(source, tmp_path / "out", before)
