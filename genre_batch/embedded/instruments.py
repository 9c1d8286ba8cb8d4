"""Instruments of the embedded library: notes and drums as arrays of samples, [shape=(n,), float64, about ±1].

Notes are remembered: a song plays few of them, often. Nobody may write into one.
"""

from functools import cache

import numpy as np
import numpy.typing as npt

RATE_HZ = 22_050

Sound = npt.NDArray[np.float64]


def seconds(duration_s: float) -> Sound:
    return np.arange(round(duration_s * RATE_HZ)) / RATE_HZ


def envelope(duration_s: float, attack_s: float, decay_s: float) -> Sound:
    """Rises linearly, falls exponentially, and ends at nothing."""
    t = seconds(duration_s)
    shape = np.minimum(t / max(attack_s, 1e-4), 1) * np.exp(-t / decay_s)
    shape[-64:] *= np.linspace(1, 0, len(shape[-64:]))
    return shape


def pitch_hz(midi: float) -> float:
    return 440.0 * 2 ** ((midi - 69) / 12)


def harmonics(midi: float, duration_s: float, strengths: tuple[float, ...], vibrato: float = 0.0) -> Sound:
    """A tone of some overtones, those above half the sample rate left out."""
    t = seconds(duration_s)
    phase = 2 * np.pi * pitch_hz(midi) * t + vibrato * np.sin(2 * np.pi * 5.5 * t)
    heard = [s for i, s in enumerate(strengths) if (i + 1) * pitch_hz(midi) < 0.45 * RATE_HZ]
    return sum((s * np.sin((i + 1) * phase) for i, s in enumerate(heard)), np.zeros_like(t)) / max(sum(strengths), 1e-9)


@cache
def pluck(midi: float, duration_s: float) -> Sound:
    """A plucked string: bright at first."""
    return harmonics(midi, duration_s, (1, 0.7, 0.5, 0.4, 0.25, 0.15)) * envelope(duration_s, 0.003, 0.25)


@cache
def bowed(midi: float, duration_s: float) -> Sound:
    """Strings: slow, long, with vibrato."""
    tone = harmonics(midi, duration_s, (1, 0.6, 0.45, 0.3, 0.2, 0.12, 0.08), vibrato=0.25)
    return tone * envelope(duration_s, 0.18, 2.5)


@cache
def brass(midi: float, duration_s: float) -> Sound:
    """A horn with much of its overtones."""
    return harmonics(midi, duration_s, (0.8, 1, 0.9, 0.7, 0.5, 0.35, 0.2), vibrato=0.12) * envelope(duration_s, 0.04, 0.8)


@cache
def organ(midi: float, duration_s: float) -> Sound:
    return harmonics(midi, duration_s, (1, 0.8, 0.1, 0.6, 0, 0.2)) * envelope(duration_s, 0.005, 3.0)


@cache
def synth(midi: float, duration_s: float) -> Sound:
    """A square wave."""
    return harmonics(midi, duration_s, (1, 0, 1 / 3, 0, 1 / 5, 0, 1 / 7, 0, 1 / 9)) * envelope(duration_s, 0.005, 0.5)


@cache
def distorted(midi: float, duration_s: float) -> Sound:
    """A guitar through an overdriven amplifier: a fifth and an octave, clipped."""
    chord = sum(harmonics(midi + interval, duration_s, (1, 0.6, 0.4, 0.3)) for interval in (0, 7, 12))
    return np.tanh(9 * chord) * envelope(duration_s, 0.004, 1.2)


@cache
def bass(midi: float, duration_s: float) -> Sound:
    return harmonics(midi, duration_s, (1, 0.45, 0.15)) * envelope(duration_s, 0.008, 0.5)


def kick(noise: Sound) -> Sound:
    t = seconds(0.22)
    return np.sin(2 * np.pi * (48 * t + 6 * (1 - np.exp(-t * 35)))) * np.exp(-t * 16)


def snare(noise: Sound) -> Sound:
    t = seconds(0.18)
    return (0.8 * noise[: len(t)] + 0.5 * np.sin(2 * np.pi * 185 * t)) * np.exp(-t * 22)


def hat(noise: Sound) -> Sound:
    t = seconds(0.05)
    return np.diff(noise[: len(t) + 1]) * np.exp(-t * 80) * 0.8


def brush(noise: Sound) -> Sound:
    """A cymbal touched with a brush: longer and softer than a hat."""
    t = seconds(0.25)
    return np.diff(noise[: len(t) + 1]) * np.exp(-t * 14) * 0.45
