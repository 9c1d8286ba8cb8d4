"""A recording altered, from bytes to bytes: in fixed ways that must not change a label, and in random ones that training augments with.

Written is a lossless file of floats, which clip nowhere, or a codec's own file. A recording is held decoded, a few times over:
1.3 GB for an hour of stereo at 44.1 kHz, each time.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
from scipy import fft

from genre_batch.choices import WaveformPart
from genre_batch.errors import TooShort
from genre_batch.signal import decode, encode
from genre_batch.signal.decode import Samples
from genre_batch.signal.sound import Sound, read, write

OFFSET_S = 2.0
LEFT_S = 3.0
PINK_FROM_HZ = 20.0
"""Below, pink noise is flat: half its power would be inaudible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strengths:
    """How far `augment` goes; each is drawn uniformly between two ends, or from what is listed."""

    gain_db: float = 6.0
    """Up or down."""
    snr_db: tuple[float, float] = (15.0, 40.0)
    """Of the mean of the channels, over the whole recording."""
    mp3_bit_rates: tuple[int, ...] = (64_000, 80_000, 96_000, 112_000, 128_000, 160_000, 192_000)
    vorbis_quality: tuple[float, float] = (0.0, 0.6)
    semitones: float = 1.0
    """Up or down."""


def mp3(data: bytes, bit_rate: int) -> bytes:
    """The MP3 itself, at a constant bit rate in bit/s; at the recording's sample rate or the next higher of MPEG-1."""
    sound = read(data).codable()
    return encode.mp3(sound.samples, sound.rate_hz, bit_rate)


def stereo(data: bytes, rate_hz: int) -> bytes:
    """Mixed to mono, resampled, and put into two equal channels."""
    sound = read(data)
    one = Sound(sound.rate_hz, sound.mono[:, None]).at(rate_hz)
    return write(Sound(rate_hz, np.repeat(one.samples, 2, axis=1)))


def offset(data: bytes, seconds: float) -> bytes:
    """The first seconds cut off. Raises TooShort where fewer than LEFT_S are left: a recording left as it was would count as
    stable without having been tried."""
    sound = read(data)
    start = round(seconds * sound.rate_hz)
    left_s = (len(sound.samples) - start) / sound.rate_hz
    if left_s < LEFT_S:
        raise TooShort(f"{max(0.0, left_s):.2f} s long after {seconds:g} s are cut off, {LEFT_S:g} s are needed")
    return write(Sound(sound.rate_hz, sound.samples[start:]))


def scaled(data: bytes, factor: float) -> bytes:
    """Every sample times a factor: powers of two change the exponents of floats alone, hence no bit of a relative spectrogram."""
    sound = read(data)
    return write(Sound(sound.rate_hz, sound.samples * np.float32(factor)))


ALTERATIONS: Mapping[str, Callable[[bytes], bytes]] = {
    "mp3_128": partial(mp3, bit_rate=128_000),
    "stereo_44100": partial(stereo, rate_hz=44_100),
    "offset_2s": partial(offset, seconds=OFFSET_S),
    "quieter": partial(scaled, factor=0.5),  # by 6.02 dB
    "louder": partial(scaled, factor=2.0),
}
"""What must not change a label. Each raises TrackError for a recording that cannot be altered, and nothing else."""


def augment(
    data: bytes, parts: Collection[WaveformPart], rng: np.random.Generator, strengths: Strengths | None = None
) -> bytes:
    """The given parts, each once, in the order pitch, noise, codec, gain, whatever the order they are given in: a codec clips, so
    gain comes after it. The same bytes for the same state of rng. Raises TrackError as `read` does."""
    sound = read(data)
    for part, change in _CHANGES.items():
        if part in parts:
            sound = change(sound, rng, strengths or Strengths())
    return write(sound)


def _pitch(sound: Sound, rng: np.random.Generator, strengths: Strengths) -> Sound:
    """As a turntable that runs too fast or too slow: the same samples at another rate, which `extract` resamples as any other.

    Tempo changes too, by 6 % a semitone, within what performances and pressings of one piece differ by. Shifting pitch
    alone would smear every attack, which is worse to learn from.
    """
    rate_hz = round(sound.rate_hz * 2 ** (rng.uniform(-strengths.semitones, strengths.semitones) / 12))
    return Sound(min(max(rate_hz, decode.RATES_HZ[0]), decode.RATES_HZ[-1]), sound.samples)


def _noise(sound: Sound, rng: np.random.Generator, strengths: Strengths) -> Sound:
    """White or pink, alike in all channels."""
    heard = sound.mono
    draw = (white, partial(pink, rate_hz=sound.rate_hz))[rng.integers(2)]
    snr_db = rng.uniform(*strengths.snr_db)
    noise = draw(len(heard), rng)
    power = np.mean(np.square(noise, dtype=np.float64))
    level = np.sqrt(np.mean(np.square(heard, dtype=np.float64)) / max(power, np.finfo(np.float64).tiny)) * 10 ** (-snr_db / 20)
    return Sound(sound.rate_hz, sound.samples + (noise * np.float32(level))[:, None])


def _codec(sound: Sound, rng: np.random.Generator, strengths: Strengths) -> Sound:
    """There and back, through MP3 or Ogg Vorbis."""
    sound = sound.codable()
    if rng.integers(2):
        coded = encode.mp3(sound.samples, sound.rate_hz, int(rng.choice(strengths.mp3_bit_rates)))
    else:
        coded = encode.vorbis(sound.samples, sound.rate_hz, rng.uniform(*strengths.vorbis_quality))
    return read(coded)


def _gain(sound: Sound, rng: np.random.Generator, strengths: Strengths) -> Sound:
    factor = 10 ** (rng.uniform(-strengths.gain_db, strengths.gain_db) / 20)
    return Sound(sound.rate_hz, sound.samples * np.float32(factor))


_CHANGES = {
    WaveformPart.PITCH: _pitch,
    WaveformPart.NOISE: _noise,
    WaveformPart.CODEC: _codec,
    WaveformPart.GAIN: _gain,
}


def white(n: int, rng: np.random.Generator) -> Samples:
    """[shape=(n,), float32], of variance 1."""
    return rng.standard_normal(n, np.float32)


def pink(n: int, rng: np.random.Generator, rate_hz: int) -> Samples:
    """[shape=(n,), float32]: power falls by 3 dB an octave, from PINK_FROM_HZ on. White noise shaped in the frequency domain."""
    size = fft.next_fast_len(n, real=True)
    spectrum = fft.rfft(white(size, rng))
    spectrum /= np.sqrt(np.maximum(fft.rfftfreq(size, 1 / rate_hz), PINK_FROM_HZ)).astype(np.float32)
    return fft.irfft(spectrum, size)[:n]
