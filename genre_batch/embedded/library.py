"""The embedded library: a hundred short songs and one of each kind of bad file, the same bytes each time.

Written for the demo and the tests, so that both run on a machine without any music.
"""

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from genre_batch.embedded.genres import RECIPES
from genre_batch.embedded.instruments import RATE_HZ, Sound
from genre_batch.embedded.song import Manner, render
from genre_batch.signal import encode as audio

SONG_S = 15.0
ARTISTS = ("Ada Nord", "Bo Süd", "Cleo West", "Dan Øst", "Eva Mitte")
SONGS = 2
"""By each artist in each genre."""
ENDINGS = ("wav", "flac", "ogg", "mp3", "m4a")
SEED = 1

# Without reservoir, because libmpg123 complains of what LAME makes of it at this rate.
ENCODING = {"b": "64000", "reservoir": "0"}


@dataclass(frozen=True, slots=True)
class Rendered:
    """A file of the library; genre and artist are None for a file that is no song."""

    name: str
    data: bytes
    genre: str | None = None
    artist: str | None = None


def songs(genre: str, song_s: float = SONG_S) -> list[Rendered]:
    """All songs of one genre."""
    g = list(RECIPES).index(genre)
    rendered = []
    for a, artist in enumerate(ARTISTS):
        # In each genre other people: nobody's key or tempo tells a genre.
        manner = Manner.of(np.random.default_rng((SEED, g, a)))
        for n in range(SONGS):
            song = render(genre, manner, np.random.default_rng((SEED, g, a, n)), song_s)
            ending = ENDINGS[(g + a * SONGS + n) % len(ENDINGS)]
            name = f"{genre}/{artist} - Song {n + 1}.{ending}"
            rendered.append(Rendered(name, encode(song, ending), genre, f"{artist} ({genre})"))
    return rendered


def bad_files() -> Iterator[Rendered]:
    """One of each reason to be rejected, and two objects that are no audio."""
    silence = np.zeros(6 * RATE_HZ)
    tone = np.sin(2 * np.pi * 440 * np.arange(6 * RATE_HZ) / RATE_HZ)
    broken = tone.copy()
    broken[1000] = np.nan
    yield Rendered("broken/empty.mp3", b"")
    yield Rendered("broken/no samples.wav", encode(silence[:0], "wav"))
    yield Rendered("broken/not music.mp3", b"This is a letter that somebody named mp3.\n" * 50)
    yield Rendered("broken/silent.flac", encode(silence, "flac"))
    yield Rendered("broken/too short.wav", encode(tone[: RATE_HZ // 2], "wav"))
    yield Rendered("broken/not a number.au", encode(broken, "au"))
    yield Rendered("broken/cover.jpg", b"\xff\xd8\xff\xe0 no recording")
    yield Rendered("README.txt", b"Rendered by genre-batch demo.\n")


def write(folder: Path, genres: Sequence[str] = tuple(RECIPES), song_s: float = SONG_S) -> Path:
    """Write the library and its manifest.csv (the songs with genre and artist) into a folder; gives the manifest."""
    with ProcessPoolExecutor() as pool:
        rendered = [song for genre in pool.map(partial(songs, song_s=song_s), genres) for song in genre]
    for file in [*rendered, *bad_files()]:
        place = folder / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.data)
    rows = [{"uri": song.name, "genre": song.genre, "artist": song.artist} for song in rendered]
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="") as text:
        writer = csv.DictWriter(text, ["uri", "genre", "artist"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return manifest


def encode(song: Sound, ending: str) -> bytes:
    """The bytes of an audio file: wav, flac and au (of floats) by libsndfile, the others by FFmpeg in its bit-exact mode."""
    if ending in ("wav", "flac", "au"):
        return audio.libsndfile(song, RATE_HZ, ending.upper(), "FLOAT" if ending == "au" else "PCM_16")
    codec, container = {"mp3": ("libmp3lame", "mp3"), "ogg": ("libopus", "ogg"), "m4a": ("aac", "ipod")}[ending]
    coded_hz = 48_000 if ending == "ogg" else RATE_HZ  # Opus knows no other
    return audio.ffmpeg(song[:, None], RATE_HZ, codec, container, ENCODING, coded_hz=coded_hz)
