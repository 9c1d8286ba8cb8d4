"""What people read hides nothing, and opens nothing but a file."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_batch.report import text


def test_what_cannot_be_seen_is_written_out():
    assert text.shown("song\u202e3pm.exe") == "song⟨U+202E⟩3pm.exe"
    assert text.shown("two\nlines\x00") == "two⟨U+000A⟩lines⟨U+0000⟩"
    assert text.shown("Bjo\u0308rk – 東京 👩‍🎤.mp3") == "Bjo\u0308rk – 東京 👩‍🎤.mp3"


@given(st.text())
def test_what_is_shown_has_no_line_ends_and_is_shown_as_it_is(name: str):
    once = text.shown(name)
    assert len(once.splitlines()) <= 1
    assert text.shown(once) == once


@pytest.mark.parametrize(
    ("uri", "href"),
    [
        ("/music/a b#1?.mp3", "file:///music/a%20b%231%3F.mp3"),
        ("/music/ü.mp3", "file:///music/%C3%BC.mp3"),
        ("s3://bucket/a", None),
        ("javascript:alert(1)", None),
        ("//evil.example/a", "file:////evil.example/a"),
        ("data:text/html,x", None),
    ],
)
def test_only_files_are_linked(uri: str, href: str | None):
    assert text.link(uri) == href


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (text.clock(5.2), "0:05"),
        (text.clock(3660), "61:00"),
        (text.clock(59.6), "1:00"),
        (text.percent(0), "0%"),
        (text.percent(1), "100%"),
        (text.percent(0.004), "0.4%"),
        (text.percent(0.5), "50%"),
        (text.percent(0.997), "99.7%"),
        (text.money(0), "0.00"),
        (text.money(1234.5), "1,234.50"),
        (text.money(0.00123), "0.0012"),
        (text.counted(1, "track"), "1 track"),
        (text.counted(1200, "track"), "1,200 tracks"),
        (text.size(2_500_000), "2.5 MB"),
        (text.size(12_400), "12 kB"),
    ],
)
def test_numbers(made: str, said: str):
    assert made == said
