"""What a recording is called wherever it lies."""

import pytest

from genre_batch.tables.recordings import plain_name


@pytest.mark.parametrize(
    ("track_id", "name"),
    [
        ("blues.00000", "blues.00000"),
        ("blues/blues.00000", "blues.00000"),
        ("genres/blues/blues.00000.wav", "blues.00000"),
        ("a.FLAC", "a"),
        ("a.mp3", "a"),
        ("a.3gp", "a"),
        ("x.y/a", "a"),
        ("St. Louis Blues", "St. Louis Blues"),
        ("01. Intro.opus", "01. Intro"),
        ("vol.2", "vol.2"),
    ],
)
def test_a_name_has_neither_folder_nor_ending(track_id: str, name: str):
    assert plain_name(track_id) == name
