"""Lengths of time as people write them."""

import pytest

from genre_batch import durations
from genre_batch.errors import UsageError


@pytest.mark.parametrize(
    ("text", "length_s"),
    [
        ("30s", 30),
        ("15m", 900),
        ("12h", 43_200),
        ("7d", 604_800),
        ("2w", 1_209_600),
        (" 1.5H ", 5400),
        ("0.5s", 0.5),
    ],
)
def test_seconds(text: str, length_s: float):
    assert durations.seconds(text, "--keep") == length_s


@pytest.mark.parametrize(
    "text", ["", "7", "d", "7 d", "7days", "-1d", "0s", "0.0h", "1h30m", "٣s", "infs", "1e3s", "7d\n8d", "1.s"]
)
def test_what_is_no_length_of_time(text: str):
    with pytest.raises(UsageError, match=r"(?s)^--keep '.*' is no length of time: write 30s, 15m, 12h, 7d or 2w$"):
        durations.seconds(text, "--keep")
