"""A recording as a picture as small as a stamp: its whole spectrogram, from the first second to the last."""

import base64
import io

import numpy as np
import numpy.typing as npt
from PIL import Image

from genre_batch.errors import TrackError
from genre_batch.front_end import MEL, FrontEnd
from genre_batch.limits import Limits
from genre_batch.signal.extract import TrackFeatures, extract
from genre_batch.tables import storage

WIDTH, HEIGHT, LEVELS = 320, 64, 32
MOST = Limits(bytes=64_000_000, audio_s=1200.0)
"""A longer recording has no picture: a page must not wait for it."""


def of(uri: str) -> str | None:
    """A PNG as a data URI; None for a recording that cannot be read or decoded. Raises StoreUnreachable."""
    try:
        features = extract(storage.read_bytes(uri, most=MOST.bytes), MEL, MOST)
    except TrackError:
        return None
    return f"data:image/png;base64,{base64.b64encode(png(whole(features, MEL))).decode()}"


def whole(features: TrackFeatures, front_end: FrontEnd) -> npt.NDArray[np.uint8]:
    """[shape=(n_bands, n_columns)], low bands last, of the recording's whole length: black where segments were left out."""
    assert features.spectrograms is not None
    _, n_bands, n_frames = features.spectrograms.shape
    n_segments = max(int(features.positions.max()) + 1, 1)
    canvas = np.zeros((n_bands, n_segments * n_frames), np.uint8)
    for position, segment in zip(features.positions, features.spectrograms, strict=True):
        canvas[:, position * n_frames : (position + 1) * n_frames] = segment[::-1]
    columns = max(1, round(features.duration_s / front_end.segment_hop_s * n_frames))
    return np.pad(canvas, ((0, 0), (0, max(0, columns - canvas.shape[1]))))[:, :columns]


def png(levels: npt.NDArray[np.uint8]) -> bytes:
    """WIDTH x HEIGHT pixels in the colours of cividis (Nuñez, Anderton and Renslow 2018), which the colour-blind see alike."""
    from matplotlib import colormaps

    small = Image.fromarray(levels).resize((WIDTH, HEIGHT), Image.Resampling.BOX)
    picture = Image.fromarray((np.asarray(small) // (256 // LEVELS)).astype(np.uint8), mode="P")
    colours = colormaps["cividis"](np.linspace(0, 1, LEVELS), bytes=True)[:, :3]
    picture.putpalette(colours.tobytes())
    image = io.BytesIO()
    picture.save(image, format="PNG", optimize=True)
    return image.getvalue()
