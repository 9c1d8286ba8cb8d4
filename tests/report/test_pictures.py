"""A recording as a stamp: the whole of it, low bands below."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from genre_batch.front_end import MEL
from genre_batch.report import pictures
from genre_batch.signal.extract import TrackFeatures

RATE = 22_050


def written(path: Path, samples: np.ndarray) -> str:
    soundfile.write(path, samples, RATE)
    return str(path)


def tone(hz: float, seconds: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)


def seen(uri: str) -> np.ndarray:
    """Brightness [shape=(HEIGHT, WIDTH)]."""
    picture = pictures.of(uri)
    assert picture is not None
    kind, _, data = picture.partition(",")
    assert kind == "data:image/png;base64"
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == (pictures.WIDTH, pictures.HEIGHT)
    return np.asarray(image.convert("L"), np.float64)


def test_a_low_tone_is_low_and_what_comes_first_is_left(tmp_path: Path):
    picture = seen(written(tmp_path / "a.wav", np.concatenate([tone(200, 10), tone(6000, 10)])))
    first, second = picture[:, :150].mean(axis=1), picture[:, 170:].mean(axis=1)
    assert first.argmax() > pictures.HEIGHT * 0.75
    assert second.argmax() < pictures.HEIGHT * 0.35


def test_its_width_is_the_length_of_the_recording(tmp_path: Path):
    """Half of it silent: left out by the front end, dark in the picture."""
    picture = seen(written(tmp_path / "a.wav", np.concatenate([tone(1000, 10), np.zeros(10 * RATE)])))
    bright = picture.max(axis=0) > 100
    assert bright[:155].all()
    assert not bright[165:].any()


def test_columns_follow_from_positions():
    spectrograms = np.stack([np.full((2, 4), 10, np.uint8), np.full((2, 4), 30, np.uint8)])
    spectrograms[0, 0] = 20
    features = TrackFeatures(spectrograms, None, np.array([0, 2], np.int32), 17.5)
    whole = pictures.whole(features, MEL)
    assert whole.tolist() == [[10] * 4 + [0] * 4 + [30] * 4 + [0] * 2, [20] * 4 + [0] * 4 + [30] * 4 + [0] * 2]
    short = TrackFeatures(spectrograms[:1], None, np.array([0], np.int32), 2.5)
    assert pictures.whole(short, MEL).shape == (2, 2)


@pytest.mark.parametrize("name", ["not there", "no audio"])
def test_what_cannot_be_heard_has_no_picture(tmp_path: Path, name: str):
    (tmp_path / "no audio").write_bytes(b"no audio at all")
    assert pictures.of(str(tmp_path / name)) is None


def test_it_is_small(tmp_path: Path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 30 * RATE)
    picture = pictures.of(written(tmp_path / "a.wav", noise))
    assert picture is not None
    assert len(picture) < 20_000
