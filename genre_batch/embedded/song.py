"""One song: a recipe played in an artist's manner."""

from dataclasses import dataclass

import numpy as np

from genre_batch.embedded import instruments
from genre_batch.embedded.genres import RECIPES, Recipe
from genre_batch.embedded.instruments import RATE_HZ, Sound

SCALE = (0, 2, 4, 7, 9, 12)
STEPS = 16


@dataclass(frozen=True, slots=True)
class Manner:
    """What the songs of one artist share: key (MIDI), place in the genre's range of tempi, and the mix."""

    key: int
    tempo: float
    drums: float
    lead: float
    brightness: float

    @classmethod
    def of(cls, random: np.random.Generator) -> "Manner":
        return cls(int(random.integers(43, 55)), *(float(random.uniform(low, 1)) for low in (0, 0.6, 0.5, 0.3)))


def render(genre: str, manner: Manner, random: np.random.Generator, duration_s: float) -> Sound:
    """[shape=(n,), float64, peak 0.9] at RATE_HZ."""
    recipe = RECIPES[genre]
    slowest, fastest = recipe.bpm
    bpm = slowest + (fastest - slowest) * min(1.0, max(0.0, manner.tempo + random.normal(0, 0.1)))
    step_s = 60 / bpm / 4
    song = np.zeros(round((duration_s + 10) * RATE_HZ))
    for bar in range(int(duration_s / (STEPS * step_s)) + 1):
        _play_bar(song, recipe, manner, random, bar, step_s)
    song = song[: round(duration_s * RATE_HZ)]
    # A darker or brighter recording: one pole, mixed with what it was.
    dull = np.convolve(song, np.ones(6) / 6, mode="same")
    song = manner.brightness * song + (1 - manner.brightness) * dull
    song += random.normal(0, 0.002 * np.abs(song).max(), len(song))
    return 0.9 * song / np.abs(song).max()


def _play_bar(song: Sound, recipe: Recipe, manner: Manner, random: np.random.Generator, bar: int, step_s: float) -> None:
    root, intervals = recipe.chords[bar % len(recipe.chords)]
    key = manner.key + root

    def at(step: int) -> float:
        late = recipe.swing * step_s if step % 4 == 2 or (recipe.swing < 0.5 and step % 2) else 0.0
        return (bar * STEPS + step) * step_s + late

    for drum, steps in recipe.drums:
        for step in steps:
            _add(song, drum(random.standard_normal(8192)), at(step), 0.7 * manner.drums * random.uniform(0.8, 1))
    for step in recipe.chord_steps:
        length = max(0.1, recipe.chord_length * step_s)
        for interval in intervals:
            _add(song, recipe.chord_voice(key + 12 + interval, length), at(step), 0.9 / len(intervals))
    for i, step in enumerate(recipe.bass_steps):
        walk = SCALE[(i + bar) % len(SCALE)] if recipe.bass_walks else 0
        _add(song, instruments.bass(key - 12 + walk, 2.5 * step_s), at(step), 0.6)
    if recipe.lead_voice:
        for step in range(0, STEPS, 2):
            if random.random() < recipe.lead_density:
                note = key + 24 + SCALE[int(random.integers(len(SCALE)))]
                _add(song, recipe.lead_voice(note, step_s * float(random.choice([1.5, 2, 4]))), at(step), 0.5 * manner.lead)


def _add(song: Sound, sound: Sound, start_s: float, gain: float) -> None:
    start = round(start_s * RATE_HZ)
    end = min(len(song), start + len(sound))
    if start < end:
        song[start:end] += gain * sound[: end - start]
