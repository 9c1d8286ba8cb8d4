"""The picture of a spectrogram, as plotting libraries draw it, back to the 256 levels that it was drawn from."""

import io
import struct
import warnings
import zlib
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from genre_batch.errors import Empty, Undecodable, UsageError

Bytes = npt.NDArray[np.uint8]

COLOUR_MAPS = ("gray", "viridis", "magma", "inferno", "plasma", "cividis", "turbo", "jet", "hot", "coolwarm")
"""matplotlib's, found out by their colours. Each is also there reversed, as `viridis_r`: the same colours, so that must be said."""

MOST_OFF = 4.0
"""Mean distance in RGB (0..255 a channel) up to which a picture is taken to be drawn in a colour map."""

WHITE = 255
_BROKEN = (
    *(OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""What Pillow raises for a file that is no whole picture, or far too large."""


def levels(data: bytes, n_bands: int, colour_map: str | None = None) -> Bytes:
    """Levels of a PNG, [shape=(n_bands, columns)], row 0 the lowest band, which pictures have at the bottom.

    White margins are cut off. Another number of rows is brought to n_bands: by the mean of what falls into a band where there are
    more, linearly where there are fewer. Columns stay as they are. colour_map: None to find it out.

    Raises Empty, and Undecodable for what is no PNG, is not opaque, or is drawn in other colours.
    """
    pixels = _pixels(data)
    # Where the lowest level is white, a white border may be silence.
    if colour_map is None or colours(colour_map)[0].min() < WHITE:
        pixels = _cropped(pixels)
    drawn = _levels_of(pixels, COLOUR_MAPS if colour_map is None else (colour_map,))
    rows, columns = drawn.shape
    if rows != n_bands:
        how = Image.Resampling.BOX if rows > n_bands else Image.Resampling.BILINEAR
        drawn = np.asarray(Image.fromarray(drawn).resize((columns, n_bands), how))
    return np.ascontiguousarray(drawn[::-1])


def check(colour_map: str) -> None:
    """Raises UsageError for a colour map that is not known."""
    if colour_map.removesuffix("_r") not in COLOUR_MAPS:
        raise UsageError(
            f"no colour map {colour_map!r}: it is one of {', '.join(COLOUR_MAPS)}, or one of these reversed, as gray_r"
        )


@cache
def colours(colour_map: str) -> Bytes:
    """RGB of each level, [shape=(256, 3)]."""
    name = colour_map.removesuffix("_r")
    if name == "gray":
        # matplotlib's own leaves out some levels where it rounds.
        found = np.repeat(np.arange(256, dtype=np.uint8)[:, np.newaxis], 3, axis=1)
    else:
        from matplotlib import colormaps  # half a second that other jobs need not pay

        found = colormaps[name](np.arange(256), bytes=True)[:, :3]
    return found if name == colour_map else found[::-1]


def _pixels(data: bytes) -> Bytes:
    """RGB, [shape=(rows, columns, 3)]."""
    if not data:
        raise Empty("no bytes")
    try:
        with warnings.catch_warnings():
            # So large a picture is none of a spectrogram.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(io.BytesIO(data), formats=["PNG"])
            image.load()
    except UnidentifiedImageError as error:
        raise Undecodable("no PNG") from error
    except _BROKEN as error:
        raise Undecodable(f"a broken PNG: {error}") from error
    if image.mode.startswith("I"):
        # Sixteen bits: 0..65535 is 0..255.
        grey = np.rint(np.asarray(image, np.float32) / 257).astype(np.uint8)
        return np.repeat(grey[..., np.newaxis], 3, axis=2)
    rgba = np.asarray(image.convert("RGBA"))
    if rgba[..., 3].min() < WHITE:
        raise Undecodable("the picture is transparent in places")
    return rgba[..., :3]


def _cropped(pixels: Bytes) -> Bytes:
    drawn = np.any(pixels < WHITE, axis=2)
    rows, columns = np.flatnonzero(drawn.any(axis=1)), np.flatnonzero(drawn.any(axis=0))
    if not len(rows):
        raise Undecodable("the picture is white all over")
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


class _Fit(NamedTuple):
    """How far colours are off the nearest of a colour map, on average over pixels, and the levels of these."""

    off: float
    colour_map: str
    levels: Bytes


def _levels_of(pixels: Bytes, colour_maps: tuple[str, ...]) -> Bytes:
    # A drawn picture has few colours: each is looked up once.
    packed = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    packed, where, counts = np.unique(packed, return_inverse=True, return_counts=True)
    found = np.stack([packed >> 16, packed >> 8 & 255, packed & 255], axis=1)
    best = min((_fit(found, counts, colour_map) for colour_map in colour_maps), key=lambda fit: fit.off)
    if best.off > MOST_OFF:
        what = "no known colour map" if len(colour_maps) > 1 else f"other colours than those of {best.colour_map}"
        raise Undecodable(f"drawn in {what}: {best.off:.0f} of 255 off {best.colour_map} on average")
    return best.levels[where].reshape(pixels.shape[:2])


def _fit(found: npt.NDArray[np.int32], counts: npt.NDArray[np.int64], colour_map: str) -> _Fit:
    tree, shades = _shades(colour_map)
    off, nearest = tree.query(found)
    return _Fit(float(np.average(off, weights=counts)), colour_map, shades[nearest])


@cache
def _shades(colour_map: str) -> tuple[Any, Bytes]:
    """The different colours of a map, as a tree to search, and the level of each: the middle one where neighbours have one colour."""
    from scipy.spatial import KDTree

    different, where = np.unique(colours(colour_map), axis=0, return_inverse=True)
    mean = np.bincount(where, np.arange(256)) / np.bincount(where)
    return KDTree(different), np.rint(mean).astype(np.uint8)
