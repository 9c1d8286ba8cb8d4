"""Real and often hostile files, from the test suites of codec and tag libraries, through `extract`."""

import contextlib
import csv
import io
from functools import cache
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile as sf

from genre_batch.errors import TrackError
from genre_batch.front_end import MEL
from genre_batch.signal import decode
from genre_batch.signal.extract import TrackFeatures, extract

ROBUST = Path(__file__).resolve().parents[3] / "shared" / "data" / "robust"


def manifest() -> dict[str, dict[str, str]]:
    if not (ROBUST / "manifest.csv").is_file():
        return {}
    with (ROBUST / "manifest.csv").open(newline="") as text:
        return {row["path"]: row for row in csv.DictReader(text)}


ROWS = manifest()
pytestmark = pytest.mark.skipif(not ROWS, reason=f"the hostile recordings are not here: {ROBUST} has no manifest.csv")

# FFmpeg's count is not what is heard: it refuses a wrong bit depth, or plays on past the frames that the header counts.
OTHER_LENGTHS = {
    "flac-test-files/faulty/03 - wrong bit depth.flac": 3.746,
    "tinytag-devsnd/tinytag/tests/samples/id3_frames.mp3": 3.447,
}


# libsndfile knows these as mp3 by the ending of their names only, and `extract` sees no names: FFmpeg reads them.
KNOWN_BY_NAME = {
    "music-metadata/test/samples/mp3/layer3/sin1k0db.mp3",
    "tinytag-devsnd/tinytag/tests/samples/id3_xxx_lang.mp3",
}


def outcome(path: str) -> TrackFeatures | str:
    """Features, or the reason code of the refusal; any other exception is the test's failure."""
    try:
        return extract((ROBUST / path).read_bytes(), MEL)
    except TrackError as refused:
        return refused.reason.value


def heard_by_ffmpeg(data: bytes) -> tuple[np.ndarray, int]:
    """Up to the first packet that cannot be decoded."""
    parts = []
    with av.open(io.BytesIO(data)) as container, contextlib.suppress(av.FFmpegError):
        stream = container.streams.audio[0]
        for frame in container.decode(stream):
            parts += [part.to_ndarray().T for part in av.AudioResampler("fltp", "stereo", stream.rate).resample(frame)]
    return np.concatenate(parts).astype(np.float64), stream.rate


@cache
def loudness(path: str) -> list[float]:
    """dBFS of each whole segment of five seconds, or of all there is of a shorter track, at the recording's own rate."""
    data = (ROBUST / path).read_bytes()
    try:
        samples, rate_hz = sf.read(io.BytesIO(data), dtype="float64", always_2d=True)
    except (sf.LibsndfileError, ValueError):  # a length that the header does not know is no size of an array
        samples, rate_hz = heard_by_ffmpeg(data)
    size = round(MEL.segment_s * rate_hz)
    heard = samples.mean(axis=1)
    segments = [heard[i * size : (i + 1) * size] for i in range(max(1, len(heard) // size))]
    return [10 * np.log10(max(np.mean(segment**2), 1e-30)) for segment in segments]


def test_the_collection_is_all_here():
    assert len(ROWS) == 241
    assert all((ROBUST / path).is_file() for path in ROWS)


@pytest.mark.timeout(20)
@pytest.mark.parametrize("path", ROWS)
def test_features_or_a_reason(path):
    row, found = ROWS[path], outcome(path)
    if row["libsndfile"] == "audio" or float(row["ffmpeg_seconds"]) > 0:
        assert isinstance(found, TrackFeatures) or found in ("too_short", "silent")
    if isinstance(found, TrackFeatures):
        assert found.spectrograms.shape[1:] == MEL.spectrogram_shape
        assert (found.spectrograms.max(axis=(1, 2)) == 255).all()
        assert len(found.positions) <= max(1, int(found.duration_s // MEL.segment_s))
        expected = OTHER_LENGTHS.get(path, float(row["ffmpeg_seconds"]))
        assert found.duration_s == pytest.approx(expected, abs=0.1)
        if len(found.positions) == len(loudness(path)):
            assert min(loudness(path)) > MEL.silence_dbfs - 0.5
    elif found == "silent":
        assert max(loudness(path)) < MEL.silence_dbfs + 0.5
    elif found == "too_short":
        assert float(row["ffmpeg_seconds"]) < MEL.min_track_s + 0.1


@pytest.mark.parametrize(
    "path", [path for path, row in ROWS.items() if row["libsndfile"] == "audio" and path not in KNOWN_BY_NAME]
)
def test_libsndfile_alone_reads_what_it_can(path):
    stream = decode.open_libsndfile((ROBUST / path).read_bytes(), MEL.block_s)
    assert stream.rate_hz == float(ROWS[path]["samplerate"])
    assert next(iter(stream.blocks)).shape[1] == float(ROWS[path]["channels"])


def test_the_collection_is_worth_its_name():
    found = [outcome(path) for path in ROWS]
    heard = sum(isinstance(f, TrackFeatures) for f in found)
    assert heard > 60
    assert {f for f in found if isinstance(f, str)} == {"empty", "undecodable", "silent", "too_short"}
