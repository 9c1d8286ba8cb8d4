"""Pictures give back the levels that matplotlib drew."""

import io
import zlib

import numpy as np
import pytest
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from genre_batch.errors import Empty, Undecodable, UsageError
from genre_batch.signal import pictures
from genre_batch.signal.pictures import COLOUR_MAPS, levels

LEVELS = np.random.default_rng(11).integers(0, 256, (128, 60), dtype=np.uint8)
"""Row 0 the lowest band."""

ONE_COLOUR = {"gray": 1, "viridis": 1, "cividis": 1, "jet": 2}
"""How far off levels are where matplotlib gives neighbours one colour: four levels of jet have one blue."""


def png(pixels: np.ndarray | Image.Image, **options: object) -> bytes:
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def drawn(colour_map: str, found: np.ndarray = LEVELS) -> np.ndarray:
    """RGBA as matplotlib draws it, the highest band on top."""
    return colormaps[colour_map](found[::-1], bytes=True)


def off(found: np.ndarray, expected: np.ndarray = LEVELS) -> int:
    assert found.dtype == np.uint8
    assert found.shape == expected.shape
    return int(np.abs(found.astype(int) - expected).max())


@pytest.mark.parametrize("colour_map", COLOUR_MAPS)
def test_the_colour_map_is_found_out(colour_map: str):
    assert off(levels(png(drawn(colour_map)), 128)) == ONE_COLOUR.get(colour_map, 0)
    assert off(levels(png(drawn(colour_map)[..., :3]), 128, colour_map)) == ONE_COLOUR.get(colour_map, 0)


@pytest.mark.parametrize("colour_map", ["gray", "viridis", "jet"])
def test_a_reversed_colour_map_must_be_named(colour_map: str):
    picture = png(drawn(f"{colour_map}_r"))
    assert off(levels(picture, 128, f"{colour_map}_r")) == ONE_COLOUR[colour_map]
    assert off(levels(picture, 128), 255 - LEVELS) == ONE_COLOUR[colour_map]


def test_every_level_of_a_grey_picture():
    every = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    every[0] = 0  # no white margin
    for mode in ("L", "LA", "RGB", "RGBA", "P"):
        assert off(levels(png(Image.fromarray(every[::-1]).convert(mode)), 4), every) == 0, mode


def test_sixteen_bits_become_eight():
    deep = np.array([[0, 257, 300], [128 * 257, 65_000, 255 * 257]], np.uint16)
    np.testing.assert_array_equal(levels(png(deep), 2), [[128, 253, 255], [0, 1, 1]])


def test_rows_are_turned_round():
    picture = np.array([[30, 31], [20, 21], [10, 11]], np.uint8)
    np.testing.assert_array_equal(levels(png(picture), 3), [[10, 11], [20, 21], [30, 31]])


def test_white_margins_are_cut_off():
    framed = np.full((150, 100, 4), 255, np.uint8)
    framed[10:138, 7:67] = drawn("magma")
    assert off(levels(png(framed), 128)) == 0
    assert off(levels(png(framed), 128, "magma")) == 0


def test_white_that_is_silence_stays():
    quiet = np.full((4, 5), 100, np.uint8)
    quiet[2:], quiet[:, 4] = 0, 0
    white = png(255 - quiet[::-1])
    np.testing.assert_array_equal(levels(white, 4, "gray_r"), quiet)
    assert levels(white, 2).shape == (2, 4)


def test_more_rows_are_averaged():
    twice = np.repeat(LEVELS, 2, axis=0)
    assert off(levels(png(twice[::-1]), 128)) == 0
    picture = np.array([[10, 0], [20, 4], [30, 8], [40, 12]], np.uint8)
    np.testing.assert_array_equal(levels(png(picture), 2), [[35, 10], [15, 2]])


def test_fewer_rows_are_drawn_out():
    found = levels(png(np.array([[200], [0]], np.uint8)), 4)
    np.testing.assert_array_equal(found[:, 0], [0, 50, 150, 200])


def test_colours_are_undone_before_rows_are_averaged():
    """Halfway between two levels, not between their colours."""
    far = np.repeat(np.array([[0], [200]], np.uint8), 8, axis=1)
    assert off(levels(png(drawn("jet", far)), 1), np.full((1, 8), 100, np.uint8)) <= 1


def test_a_figure_as_people_save_it():
    figure = Figure(figsize=(1.6, 3.2), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.25, 0.1, 0.5, 0.8))
    axes.set_axis_off()
    shown = np.random.default_rng(5).integers(0, 256, (128, 80), dtype=np.uint8)
    axes.imshow(shown, cmap="inferno", vmin=0, vmax=255, aspect="auto", origin="lower", interpolation="nearest")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    assert off(levels(file.getvalue(), 128), shown) == 0


def test_slightly_other_colours_are_taken_for_the_nearest():
    blurred = drawn("viridis")[..., :3].astype(int) + np.random.default_rng(2).integers(-1, 2, (128, 60, 3))
    found = levels(png(np.clip(blurred, 0, 255).astype(np.uint8)), 128)
    assert np.abs(found.astype(int) - LEVELS).mean() < 2


def test_other_colours_are_refused():
    noise = np.random.default_rng(1).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    with pytest.raises(Undecodable, match=r"^drawn in no known colour map: \d+ of 255 off \w+ on average$"):
        levels(png(noise), 128)
    with pytest.raises(Undecodable, match=r"^drawn in other colours than those of jet: \d+ of 255 off jet on average$"):
        levels(png(drawn("viridis")), 128, "jet")


def test_what_is_no_picture_is_refused():
    with pytest.raises(Empty, match="no bytes"):
        levels(b"", 128)
    with pytest.raises(Undecodable, match=r"^no PNG$"):
        levels(b"RIFF and so on", 128)
    jpeg = io.BytesIO()
    Image.fromarray(LEVELS).save(jpeg, "JPEG")
    with pytest.raises(Undecodable, match=r"^no PNG$"):
        levels(jpeg.getvalue(), 128)
    with pytest.raises(Undecodable, match="white all over"):
        levels(png(np.full((9, 9), 255, np.uint8)), 128)
    see_through = drawn("viridis").copy()
    see_through[3, 3, 3] = 254
    with pytest.raises(Undecodable, match="transparent in places"):
        levels(png(see_through), 128)


def test_a_cut_off_picture_is_refused_wherever_it_ends():
    whole = png(LEVELS)
    for end in range(1, len(whole) - 20, 97):
        with pytest.raises(Undecodable):
            levels(whole[:end], 128)


def test_a_bomb_is_not_unpacked():
    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4) + kind + data + zlib.crc32(kind + data).to_bytes(4)

    for side in (10_000, 60_000):  # Pillow warns of the one and raises for the other
        header = side.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
        bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
        with pytest.raises(Undecodable, match="decompression bomb"):
            levels(bomb, 128)


def test_unknown_colour_maps():
    for known in ("gray", "jet_r", "viridis"):
        pictures.check(known)
    with pytest.raises(UsageError, match=r"^no colour map 'veridis': it is one of gray, viridis, .*, as gray_r$"):
        pictures.check("veridis")
