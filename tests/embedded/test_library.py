"""The embedded library: the same bytes each time, every file what its name says."""

import csv
import dataclasses
import subprocess
import sys
from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from genre_batch.embedded import library, song
from genre_batch.embedded.genres import RECIPES
from genre_batch.errors import TrackError
from genre_batch.front_end import MEL
from genre_batch.signal.extract import extract

ROOT = Path(__file__).resolve().parents[2]
SONG_S = 3.0
GENRE = "jazz"

DIGESTS = f"""
import hashlib
from genre_batch.embedded import library
for file in [*library.songs("{GENRE}", {SONG_S}), *library.songs("metal", 0.5), *library.bad_files()]:
    print(hashlib.sha256(file.data).hexdigest(), file)
"""


@pytest.fixture(scope="module")
def songs() -> list[library.Rendered]:
    return library.songs(GENRE, SONG_S)


@pytest.fixture(scope="module")
def bad_files() -> dict[str, bytes]:
    return {file.name: file.data for file in library.bad_files()}


def test_two_processes_render_the_same_bytes():
    # Other hashes of strings, other zone, at another second.
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", DIGESTS],
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env={"PYTHONHASHSEED": seed, "TZ": zone, "OPENBLAS_NUM_THREADS": seed},
        )
        for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo"))
    ]
    first, second = (process.communicate()[0].decode() for process in runs)
    assert [process.returncode for process in runs] == [0, 0]
    assert len(first.splitlines()) == 28
    assert first == second


def test_a_genre_is_ten_songs_by_five_artists_in_all_endings(songs):
    assert len(songs) >= 8
    assert len(songs) == len(library.ARTISTS) * library.SONGS == 10
    assert len({file.artist for file in songs}) == 5
    assert all(file.genre == GENRE for file in songs)
    endings = [PurePosixPath(file.name).suffix[1:] for file in songs]
    assert sorted(endings) == sorted(2 * library.ENDINGS)


def test_names_say_genre_artist_and_song(songs):
    names = [file.name for file in songs]
    assert names[0].startswith("jazz/Ada Nord - Song 1.")
    assert names[3].startswith("jazz/Bo Süd - Song 2.")
    assert len({name.rsplit(".")[0] for name in names}) == 10
    for file in songs:
        folder, name = file.name.split("/")
        assert folder == file.genre
        assert file.artist == f"{name.split(' - ')[0]} ({GENRE})"


def test_every_ending_is_in_its_own_format(songs):
    begins = {"wav": b"RIFF", "flac": b"fLaC", "ogg": b"OggS", "m4a": b"\0\0\0\x1cftypM4A", "mp3": b"ID3"}
    for file in songs:
        ending = PurePosixPath(file.name).suffix[1:]
        assert file.data.startswith(begins[ending])
        assert ending != "ogg" or b"OpusHead" in file.data[:100]


def test_every_song_decodes_to_its_length(songs):
    for file in songs:
        features = extract(file.data, MEL)
        assert features.duration_s == pytest.approx(SONG_S, abs=0.12), file.name
        assert len(features.spectrograms) == 1
        assert 20 < features.spectrograms[0][:, :120].mean() < 200


def test_no_two_songs_are_alike(songs):
    pictures = [extract(file.data, MEL).spectrograms[0][:, :120].astype(int) for file in songs]
    apart = [np.abs(a - b).mean() for i, a in enumerate(pictures) for b in pictures[:i]]
    assert min(apart) > 5


@pytest.mark.parametrize("ending", [*library.ENDINGS, "au"])
def test_encoding_twice_gives_the_same_bytes(ending):
    tone = 0.5 * np.sin(np.arange(22_050) / 10)
    assert library.encode(tone, ending) == library.encode(tone, ending)


REASONS = {
    "broken/empty.mp3": "empty",
    "broken/no samples.wav": "empty",
    "broken/not music.mp3": "undecodable",
    "broken/silent.flac": "silent",
    "broken/too short.wav": "too_short",
    "broken/not a number.au": "not_finite",
    "broken/cover.jpg": "undecodable",
    "README.txt": "undecodable",
}


def test_bad_files_are_all_here(bad_files):
    assert list(bad_files) == list(REASONS)
    assert all(file.genre is None and file.artist is None for file in library.bad_files())


@pytest.mark.parametrize("name", REASONS)
def test_every_bad_file_gives_its_reason(bad_files, name):
    with pytest.raises(TrackError) as refused:
        extract(bad_files[name], MEL)
    assert refused.value.reason == REASONS[name]


def test_written_with_a_manifest_of_the_songs_alone(tmp_path):
    manifest = library.write(tmp_path, ("reggae", "metal"), 1.0)
    assert manifest == tmp_path / "manifest.csv"
    with manifest.open(newline="") as text:
        rows = list(csv.DictReader(text))
    expected = [*library.songs("reggae", 1.0), *library.songs("metal", 1.0)]
    assert rows == [{"uri": file.name, "genre": file.genre, "artist": file.artist} for file in expected]
    files = {file.name: file.data for file in [*expected, *library.bad_files()]}
    written = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert written.pop("manifest.csv") == manifest.read_bytes()
    assert written == files


@pytest.mark.parametrize("genre", RECIPES)
def test_every_genre_renders_a_song_of_its_length_and_peak(genre):
    manner = song.Manner.of(np.random.default_rng(0))
    rendered = song.render(genre, manner, np.random.default_rng(1), 2.0)
    assert len(rendered) == 2 * library.RATE_HZ
    assert np.abs(rendered).max() == pytest.approx(0.9)
    np.testing.assert_array_equal(rendered, song.render(genre, manner, np.random.default_rng(1), 2.0))
    other = song.render(genre, dataclasses.replace(manner, key=manner.key + 1), np.random.default_rng(1), 2.0)
    assert np.abs(other - rendered).max() > 0.1
