"""A published feature table is good to the last cell, or refused with the line and the column."""

import re
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genre_batch.taxonomy import GTZAN
from schemas import features
from schemas.contract import ContractError
from schemas.descriptors import NAMES

Row = dict[str, str | None]


def row(filename: str | None = "blues.00000.0.wav", label: str | None = "blues", **changes: str | None) -> Row:
    return {"filename": filename, **dict.fromkeys(NAMES, "1.5"), "label": label} | changes


def table(*rows: Row) -> pa.Table:
    return pa.table({name: pa.array([each[name] for each in rows], pa.string()) for name in rows[0]})


GOOD = (row(), row("blues.00000.1.wav"), row("rock.00099.0.wav", "rock"))


@pytest.mark.parametrize("length", [{}, {"length": "66149"}])
def test_good_rows_are_good(length: Row):
    features.validate(table(*(each | length for each in GOOD)))


def test_columns_may_stand_in_any_order():
    good = table(*(each | {"length": "220500"} for each in GOOD))
    features.validate(good.select(good.column_names[::-1]))


@pytest.mark.parametrize(
    ("name", "track", "segment"),
    [
        ("blues.00000.wav", "blues.00000", None),
        ("blues.00000.2.wav", "blues.00000", "2"),
        ("hiphop.00099.10.au", "hiphop.00099", "10"),
        ("jazz.00054", "jazz.00054", None),
        ("jazz.00054.0", "jazz.00054", "0"),
        ("pop.00001.mp3", "pop.00001", None),
        ("pop.00001.9.flac", "pop.00001", "9"),
    ],
)
def test_names_say_track_and_segment(name: str, track: str, segment: str | None):
    found = features.FILENAME.fullmatch(name)
    assert found
    assert found.groupdict() == {"track": track, "segment": segment}


ODD = (
    *("", "blues", "blues.0000.wav", "blues.000000.wav", "Blues.00000.wav", "blues/blues.00000.wav", "blues.00000.wav.bak"),
    *("blues.00000.a.wav", "blues.00000.-1.wav", "blues.00000.1.2.wav", "blues.00000..wav", "blues.00000.99999999999.wav"),
    *("blues.00000.wav\n", " blues.00000.wav", "hip hop.00000.wav"),
)


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_refused(name: str):
    said = f"table features: line 3, column filename: {name!r} is no genre.NNNNN.wav or genre.NNNNN.SEGMENT.wav"
    with pytest.raises(ContractError, match=f"^{re.escape(said)}$"):
        features.validate(table(row(), row(name)))


def test_no_name_is_refused():
    with pytest.raises(ContractError, match=r"^table features: line 2, column filename: None is no genre"):
        features.validate(table(row(None)))


@pytest.mark.parametrize("column", ["filename", "label", "tempo", "mfcc20_var"])
def test_a_missing_column_is_named(column: str):
    with pytest.raises(ContractError, match=f"^table features: no column {column}$"):
        features.validate(table(*GOOD).drop_columns(column))


def test_unexpected_columns_are_named():
    more = table(*(each | {"mood": "sad", "loudness": "1"} for each in GOOD))
    with pytest.raises(ContractError, match=r"^table features: not expected: loudness, mood$"):
        features.validate(more)


def test_renamed_columns_are_missing_and_unexpected():
    good = table(*GOOD)
    renamed = good.rename_columns(["track", *good.column_names[1:-1], "genre"])
    with pytest.raises(ContractError, match=r"^table features: no column filename, label; not expected: genre, track$"):
        features.validate(renamed)


def test_no_rows_are_refused():
    with pytest.raises(ContractError, match=r"^table features: no rows$"):
        features.validate(table(*GOOD).slice(0, 0))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loud", "'loud' is no number"),
        ("1,5", "'1,5' is no number"),
        ("0x10", "'0x10' is no number"),
        ("", "is empty"),
        (None, "is empty"),
        ("inf", "inf is not finite"),
        ("-Infinity", "-Infinity is not finite"),
        ("nan", "nan is not finite"),
        ("1e400", "1e400 is not finite"),
    ],
)
@pytest.mark.parametrize("column", [NAMES[0], "tempo", NAMES[-1], "length"])
def test_what_is_no_finite_number_is_refused(column: str, text: str | None, said: str):
    rows = [each | {"length": "1"} for each in GOOD]
    with pytest.raises(ContractError, match=f"^table features: line 4, column {column}: {re.escape(said)}$"):
        features.validate(table(rows[0], rows[1], rows[2] | {column: text}))


@pytest.mark.parametrize("genre", ["polka", "Blues", "", None])
def test_an_unknown_genre_is_refused(genre: str | None):
    said = f"table features: line 3, column label: {genre!r} is none of blues, classical, country, disco, hiphop, jazz, "
    with pytest.raises(ContractError, match=f"^{re.escape(said)}metal, pop, reggae, rock$"):
        features.validate(table(row(), row("blues.00001.wav", genre)))


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ("blues.00000.1.wav", "blues.00000.1.wav"),
        ("blues.00000.wav", "blues.00000.wav"),
        ("blues.00000.wav", "blues.00000.0.au"),
        ("blues.00000.1.wav", "blues.00000.01.wav"),
    ],
)
def test_a_segment_stands_once(first: str, again: str):
    said = f"table features: line 4, column filename: {again} stands in line 2 already"
    with pytest.raises(ContractError, match=f"^{re.escape(said)}$"):
        features.validate(table(row(first), row("blues.00001.wav"), row(again)))


def test_a_track_has_one_genre():
    said = "table features: line 3, column label: 'rock', but another row of blues.00000 says 'blues'"
    with pytest.raises(ContractError, match=f"^{re.escape(said)}$"):
        features.validate(table(row(), row("blues.00000.1.wav", "rock")))


def test_the_label_counts_and_not_the_name():
    """Sturm's corrections move tracks to other genres and leave their names."""
    features.validate(table(row(), row("blues.00001.wav", "rock")))


def test_the_first_fault_of_a_file_is_told():
    for order in permutations((row("x"), row("blues.00001.wav", "polka"))):
        with pytest.raises(ContractError, match=r"line 3, column (filename|label): ") as caught:
            features.validate(table(row(), *order, row("y")))
        assert ("polka" in str(caught.value)) is (order[0]["label"] == "polka")


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_numbers_are_read_to_the_last_bit(values: list[float]):
    found = features.numbers("tempo", [repr(value) for value in values])
    assert found.dtype == np.float64
    assert found.tobytes() == np.array(values).tobytes()


def test_the_genres_are_those_of_gtzan():
    assert GTZAN.genres == features.GENRES
    assert len(NAMES) == len(set(NAMES)) == 57
