"""Which recording belongs to which track of shards, and what altering it does to its label."""

from pathlib import Path

import pyarrow as pa
import pytest

from genre_batch.choices import WaveformPart
from genre_batch.cluster import segments
from genre_batch.cluster.recordings import of_library, of_shards, refuse_imported
from genre_batch.cluster.segments import Shards
from genre_batch.errors import UsageError
from genre_batch.front_end import MEL
from genre_batch.models.recipe import Recipe
from genre_batch.tables import store
from schemas import shards as contract


def library(folder: Path, *names: str) -> str:
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(b"sound")
    return str(folder)


def test_recordings_are_found_by_id_and_by_name(tmp_path: Path):
    url = library(tmp_path, "blues/blues.00000.flac", "rock/a song.wav", "rock/two.mp3", "jazz/two.ogg", "README.txt")
    found = of_library(url, {"blues.00000", "blues/blues.00000", "rock/a song.wav", "a song.wav", "two", "jazz/two", "absent"})
    assert found == {
        "blues.00000": f"{url}/blues/blues.00000.flac",
        "blues/blues.00000": f"{url}/blues/blues.00000.flac",
        "rock/a song.wav": f"{url}/rock/a song.wav",
        "a song.wav": f"{url}/rock/a song.wav",
        "jazz/two": f"{url}/jazz/two.ogg",
    }, "the name that two recordings share is nobody's"


def test_a_manifest_names_recordings(tmp_path: Path):
    url = library(tmp_path, "x/1.wav")
    (tmp_path / "manifest.csv").write_text("uri,track_id\nx/1.wav,blues.00000\nx/gone.wav,blues.00001\n")
    assert of_library(f"{url}/manifest.csv", {"blues.00000", "blues.00002"}) == {"blues.00000": f"{url}/x/1.wav"}


def test_no_recording_of_any_track(tmp_path: Path):
    with pytest.raises(UsageError, match=r"none of the 1 recordings at .* is one of the 2 judged tracks: .* such as 'a'"):
        of_library(library(tmp_path, "c.wav"), {"a", "b"})


def shards_of(url: str, uris: dict[str, str]) -> Shards:
    """A shards table of one segment a track, as build-shards writes it."""
    rows = [
        {
            "track_id": track_id,
            "segment": segment,
            "start_s": 0.0,
            "genre": "rock",
            "artist": None,
            "uri": uri,
            "duration_s": 5.0,
        }
        | {"content_version": "1", "front_end": MEL.digest, "spectrogram": b"", "descriptors": None}
        for track_id, uri in uris.items()
        for segment in (0, 1)
    ]
    store.create(url, contract.NAME, contract.ARROW, {"genre_batch.front_end": MEL.to_json()})
    part = store.write_part(url, contract, pa.Table.from_pylist(rows, contract.ARROW))
    store.commit(url, contract, [part], replaced=[], run_id="run1")
    return segments.open_shards(url)


def test_shards_name_recordings_unless_they_were_drawn_by_others(tmp_path: Path):
    uris = {
        "a": "/music/a.flac",
        "b": "s3://music/b.mp3",
        "c": "/all.npz",
        "d": "/all.npz",
        "e": "/pictures/e.png",
        "f": "/f.wav",
        "g": "/lone.NPZ",
        "h": "/music/a.flac",
    }
    opened = shards_of(str(tmp_path / "shards"), uris)
    found = of_shards(opened, set(uris) - {"f"})
    assert found == {"a": "/music/a.flac", "b": "s3://music/b.mp3", "h": "/music/a.flac"}


def test_alterations_of_recordings_are_refused_where_there_are_none(tmp_path: Path):
    altering = Recipe(waveform=(WaveformPart.GAIN, WaveformPart.CODEC))
    mixed = shards_of(str(tmp_path / "mixed"), {"a": "/a.flac", "c": "/all.npz", "b": "/all.npz"})
    with pytest.raises(UsageError) as refused:
        refuse_imported(mixed, altering)
    assert str(refused.value) == (
        f"2 of the 3 tracks of {mixed.url}, such as b, were imported as spectrograms, and --waveform gain, codec alters recordings: "
        "take shards that build-shards made, or --waveform none"
    )
    refuse_imported(mixed, Recipe())
    refuse_imported(shards_of(str(tmp_path / "whole"), {"a": "/a.flac"}), altering)
