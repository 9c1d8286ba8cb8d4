"""Ten genres as recipes: tempo, rhythm, harmony and timbre, told apart by ear at once."""

from collections.abc import Callable
from dataclasses import dataclass

from genre_batch.embedded import instruments
from genre_batch.embedded.instruments import Sound

MAJOR = (0, 4, 7)
MINOR = (0, 3, 7)
SEVENTH = (0, 4, 7, 10)
MINOR_NINTH = (0, 3, 7, 10, 14)
MAJOR_NINTH = (0, 4, 7, 11, 14)

Voice = Callable[[float, float], Sound]
Drum = Callable[[Sound], Sound]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A bar has sixteen steps; drums, chords and bass name the steps on which they sound.

    chords: root in semitones above the key and the intervals, a bar each. swing: how late, in steps, every other step is.
    """

    bpm: tuple[int, int]
    chords: tuple[tuple[int, tuple[int, ...]], ...]
    chord_voice: Voice
    chord_steps: tuple[int, ...]
    chord_length: float
    lead_voice: Voice | None
    lead_density: float
    bass_steps: tuple[int, ...]
    drums: tuple[tuple[Drum, tuple[int, ...]], ...]
    swing: float = 0.0
    bass_walks: bool = False


_EVERY = tuple(range(16))
_EIGHTHS = tuple(range(0, 16, 2))
_BEATS = (0, 4, 8, 12)
_BACK = (4, 12)

RECIPES: dict[str, Recipe] = {
    "blues": Recipe(
        bpm=(70, 95), chords=((0, SEVENTH), (5, SEVENTH), (0, SEVENTH), (7, SEVENTH)), chord_voice=instruments.organ,
        chord_steps=(0, 6, 8, 14), chord_length=1.5, lead_voice=instruments.pluck, lead_density=0.35, bass_steps=_BEATS,
        drums=((instruments.kick, (0, 8)), (instruments.snare, _BACK), (instruments.hat, _EIGHTHS)), swing=0.66, bass_walks=True,
    ),
    "classical": Recipe(
        bpm=(60, 90), chords=((0, MAJOR), (5, MAJOR), (7, MAJOR), (0, MAJOR)), chord_voice=instruments.bowed, chord_steps=(0, 8),
        chord_length=8, lead_voice=instruments.bowed, lead_density=0.3, bass_steps=(0,), drums=(),
    ),
    "country": Recipe(
        bpm=(100, 125), chords=((0, MAJOR), (5, MAJOR), (0, MAJOR), (7, MAJOR)), chord_voice=instruments.pluck,
        chord_steps=(2, 6, 10, 14), chord_length=2, lead_voice=instruments.pluck, lead_density=0.6, bass_steps=(0, 8),
        drums=((instruments.brush, _EIGHTHS), (instruments.kick, (0, 8))),
    ),
    "disco": Recipe(
        bpm=(115, 128), chords=((0, MINOR_NINTH), (5, SEVENTH), (10, MAJOR_NINTH), (3, MAJOR_NINTH)), chord_voice=instruments.bowed,
        chord_steps=(0, 3, 6, 10), chord_length=2, lead_voice=None, lead_density=0, bass_steps=_EIGHTHS,
        drums=((instruments.kick, _BEATS), (instruments.snare, _BACK), (instruments.hat, (2, 6, 10, 14)), (instruments.brush, (2, 10))),
    ),
    "hiphop": Recipe(
        bpm=(82, 98), chords=((0, MINOR), (0, MINOR), (8, MAJOR), (7, MINOR)), chord_voice=instruments.organ, chord_steps=(0,),
        chord_length=3, lead_voice=None, lead_density=0, bass_steps=(0, 3, 10),
        drums=((instruments.kick, (0, 3, 7, 10)), (instruments.snare, _BACK), (instruments.hat, _EVERY)), swing=0.3,
    ),
    "jazz": Recipe(
        bpm=(130, 180), chords=((2, MINOR_NINTH), (7, SEVENTH), (0, MAJOR_NINTH), (9, SEVENTH)), chord_voice=instruments.pluck,
        chord_steps=(0, 7), chord_length=4, lead_voice=instruments.brass, lead_density=0.5, bass_steps=_BEATS,
        drums=((instruments.brush, (0, 4, 7, 8, 12, 15)),), swing=0.66, bass_walks=True,
    ),
    "metal": Recipe(
        bpm=(150, 190), chords=((0, MINOR), (1, MINOR), (0, MINOR), (6, MINOR)), chord_voice=instruments.distorted,
        chord_steps=_EIGHTHS, chord_length=2, lead_voice=None, lead_density=0, bass_steps=_EIGHTHS,
        drums=((instruments.kick, _EVERY), (instruments.snare, _BACK), (instruments.brush, _BEATS)),
    ),
    "pop": Recipe(
        bpm=(100, 118), chords=((0, MAJOR), (7, MAJOR), (9, MINOR), (5, MAJOR)), chord_voice=instruments.synth,
        chord_steps=_EIGHTHS, chord_length=1.5, lead_voice=instruments.synth, lead_density=0.5, bass_steps=_EIGHTHS,
        drums=((instruments.kick, (0, 8, 10)), (instruments.snare, _BACK), (instruments.hat, _EIGHTHS)),
    ),
    "reggae": Recipe(
        bpm=(68, 82), chords=((0, MAJOR), (0, MAJOR), (5, MAJOR), (7, MAJOR)), chord_voice=instruments.organ, chord_steps=(4, 12),
        chord_length=1, lead_voice=None, lead_density=0, bass_steps=(0, 3, 6, 11),
        drums=((instruments.kick, (8,)), (instruments.snare, (8,)), (instruments.hat, (2, 6, 10, 14))),
    ),
    "rock": Recipe(
        bpm=(115, 140), chords=((0, MAJOR), (10, MAJOR), (5, MAJOR), (0, MAJOR)), chord_voice=instruments.distorted,
        chord_steps=(0, 6, 8), chord_length=5, lead_voice=instruments.brass, lead_density=0.15, bass_steps=_EIGHTHS,
        drums=((instruments.kick, (0, 6, 8)), (instruments.snare, _BACK), (instruments.hat, _EIGHTHS)),
    ),
}  # fmt: skip
