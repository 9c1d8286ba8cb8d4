"""A recording as an audit hears it: spectrograms for its fingerprint, and what is wrong with the sound itself."""

import hashlib
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import av
import numpy as np
import numpy.typing as npt
import soundfile as sf

from genre_batch.audit import mpeg
from genre_batch.audit.bands import Picture
from genre_batch.errors import TooShort
from genre_batch.front_end import MEL
from genre_batch.limits import Limits
from genre_batch.signal import decode, segment, spectrogram
from genre_batch.signal.decode import Samples
from genre_batch.signal.segment import Duration

FRONT_END = MEL

FULL_SCALE = 0.999
CLIPPED_RUN = 3
"""So many samples in a row at full scale are clipped, for no microphone hears such."""
FRAME_S = 0.1
PROMISES = re.compile(r"(?:data|Data Size|SSND)\s*:\s*(\d+) \(should be (\d+)\)")
"""How libsndfile's log tells of a WAV, AU or AIFF file whose header speaks of more bytes than there are."""
BARE = ("aac", "ac3", "amr", "eac3")
"""Frames and nothing else, as FFmpeg names the formats: their duration is its guess, size by bit rate."""


class Sound(NamedTuple):
    """clipped: share of samples that lie in a run at full scale; silent: share of tenths of a second below the front end's threshold of
    silence; promised_s: seconds that the file's header speaks of, None where it does not."""

    clipped: float
    silent: float
    promised_s: float | None


@dataclass(frozen=True, slots=True)
class Heard:
    """digest: of the mono samples as decoded, equal for the same sound in lossless files of any kind. pictures: [shape=(n_segments,
    *FRONT_END.spectrogram_shape), uint8] at positions, the last filled up with silence."""

    digest: bytes
    pictures: Picture
    positions: npt.NDArray[np.int32]
    duration_s: float
    sound: Sound


def hear(data: bytes, limits: Limits = Limits()) -> Heard:
    """Decode once, ten seconds at a time. Raises TrackError as `extract` does, and nothing else."""
    return decode.decoded(data, FRONT_END.block_s, partial(_hear, data=data, limits=limits))


def _hear(stream: decode.Stream, data: bytes, limits: Limits) -> Heard:
    clipping, silence, duration = _Clipping(), _Silence(stream.rate_hz), Duration()
    digest = hashlib.sha256(str(stream.rate_hz).encode())
    rate_hz = FRONT_END.sample_rate_hz
    mixed = decode.mono(decode.Stream(stream.rate_hz, clipping.of(stream.blocks)))
    heard = silence.of(decode.within(mixed, rate_hz=stream.rate_hz, most_s=limits.audio_s))
    blocks = decode.resample(
        _digested(heard, digest), from_hz=stream.rate_hz, to_hz=rate_hz, quality=FRONT_END.resample_quality
    )
    positions, pictures = [], []
    for position, samples in segment.segments(_filled_up(duration.of(blocks), duration), FRONT_END):
        energy = spectrogram.power(samples, FRONT_END)
        positions.append(position)
        pictures.append(spectrogram.picture(spectrogram.decibels(energy, FRONT_END, float(energy.max())), FRONT_END))
    duration_s = duration.samples / rate_hz
    sound = Sound(clipping.share, silence.share, promised_seconds(data, duration_s))
    return Heard(digest.digest(), np.stack(pictures), np.array(positions, np.int32), duration_s, sound)


def promised_seconds(data: bytes, decoded_s: float) -> float | None:
    """What the header says; decoded_s: what was found. None where the format has no such field, the file leaves it out, or nobody
    understands it."""
    with suppress(sf.LibsndfileError), sf.SoundFile(io.BytesIO(data)) as file:
        if found := PROMISES.search(file.extra_info):
            return decoded_s * int(found[1]) / max(1, int(found[2]))
    try:
        # A playlist names other files and hosts: FFmpeg may open nothing but these bytes.
        with av.open(io.BytesIO(data), "r", options={"protocol_whitelist": "none"}, metadata_errors="ignore") as container:
            if container.format.name == "mp3":
                return mpeg.promised_seconds(data)
            guessed = container.format.name in BARE
            return container.duration / av.time_base if container.duration and not guessed else None
    except (av.FFmpegError, ValueError):
        return None


def _digested(blocks: Iterable[Samples], digest: "hashlib._Hash") -> Iterator[Samples]:
    for block in blocks:
        digest.update(block.tobytes())
        yield block


def _filled_up(blocks: Iterable[Samples], duration: Duration) -> Iterator[Samples]:
    """What is left at the end of a longer track makes a segment too. Raises TooShort."""
    yield from blocks
    if duration.samples < FRONT_END.min_track_s * FRONT_END.sample_rate_hz:
        raise TooShort(f"{duration.samples / FRONT_END.sample_rate_hz:.2f} s long, {FRONT_END.min_track_s:g} s are needed")
    left = duration.samples % FRONT_END.segment_samples
    if left and duration.samples > FRONT_END.segment_samples:
        yield np.zeros(FRONT_END.segment_samples - left, np.float32)


class _Clipping:
    """Counts samples at full scale in runs of CLIPPED_RUN, in each channel; a run across two blocks counts as two."""

    samples = 0
    clipped = 0

    def of(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        for block in blocks:
            loud = np.abs(block) >= FULL_SCALE
            self.samples += loud.size
            if loud.any():
                self.clipped += int(_in_runs(loud).sum())
            yield block

    @property
    def share(self) -> float:
        return self.clipped / max(1, self.samples)


def _in_runs(loud: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """[shape=(n, channels)]: True only where CLIPPED_RUN of a column in a row are."""
    n = len(loud) - CLIPPED_RUN + 1
    inside = np.zeros_like(loud)
    if n > 0:
        begins = np.logical_and.reduce([loud[i : i + n] for i in range(CLIPPED_RUN)])
        for i in range(CLIPPED_RUN):
            inside[i : i + n] |= begins
    return inside


class _Silence:
    """Counts frames of FRAME_S whose loudness lies below the front end's silence_dbfs; less than a frame at a block's end is not told."""

    frames = 0
    silent = 0

    def __init__(self, rate_hz: int) -> None:
        self.size = max(1, round(FRAME_S * rate_hz))

    def of(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        for block in blocks:
            frames = block[: len(block) // self.size * self.size].reshape(-1, self.size)
            power = np.square(frames, dtype=np.float64).mean(axis=1)
            self.frames += len(frames)
            self.silent += int((power < 10 ** (FRONT_END.silence_dbfs / 10)).sum())
            yield block

    @property
    def share(self) -> float:
        return self.silent / max(1, self.frames)
