"""What drew published spectrograms, and pictures listed as a library is; what cannot be used is refused in one sentence."""

from pathlib import Path

import pytest

from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.front_end import GTZAN_PUBLISHED, Descriptors
from genre_batch.tables import spectrograms
from genre_batch.tables.library import Library
from genre_batch.tables.spectrograms import list_pictures, versioned, with_artists
from schemas import inventory
from tests.rows import listed as listed_as
from tests.rows import table


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
    by_name = table(inventory, listed_as("blues.00000"), listed_as("A"), listed_as("B"))
    assert with_artists(Library("/all.npz", by_name, 0), str(known)).tracks["artist"].to_pylist() == ["Ada", "Cid", None]
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
    listed = list_pictures(folder(tmp_path, "blues/a.png", "blues/b.png", "rock/c.png"))
    before = listed.tracks["content_version"].to_pylist()
    after = versioned(listed, lambda track_id: track_id[-1]).tracks
    assert after["content_version"].to_pylist() == [f"{version}-{said}" for version, said in zip(before, "abc", strict=True)]
    assert after.schema == inventory.ARROW
