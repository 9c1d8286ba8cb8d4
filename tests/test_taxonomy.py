"""Names in an order, and no name twice."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genre_batch.errors import UsageError
from genre_batch.taxonomy import GTZAN, UNKNOWN, Taxonomy

names = st.text("abü é", min_size=1, max_size=4).filter(lambda name: name != UNKNOWN)


@settings(max_examples=40, deadline=None)
@given(st.lists(names, min_size=1, max_size=12))
def test_of_has_every_name_once_in_order(given_names: list[str]):
    taxonomy = Taxonomy.of(given_names)
    assert list(taxonomy.genres) == sorted(set(given_names))
    assert len(taxonomy) == len(set(given_names))
    assert [taxonomy.genres[taxonomy.index(name)] for name in given_names] == given_names


def test_the_order_given_is_kept():
    assert Taxonomy(("rock", "blues")).index("blues") == 1


@pytest.mark.parametrize("genres", [(), ("rock", "jazz", "rock")])
def test_none_and_doubles_are_refused(genres: tuple[str, ...]):
    with pytest.raises(UsageError, match="distinct genres"):
        Taxonomy(genres)


def test_unknown_is_no_genre():
    with pytest.raises(UsageError, match="'unknown' is what an uncertain track is called"):
        Taxonomy.of(["rock", "unknown"])


def test_a_strange_name_has_no_index():
    with pytest.raises(ValueError, match="not in tuple"):
        GTZAN.index("polka")


def test_gtzan_is_in_alphabetical_order():
    assert len(GTZAN) == 10
    assert Taxonomy.of(reversed(GTZAN.genres)) == GTZAN
