"""Genres and artists, counted."""

from genre_batch.audit.balance import balance
from tests.audit import made

TRACK = made.print_of(0)


def rows(genre: str, artists: dict[str | None, int]) -> list[made.Row]:
    names = [artist for artist, n in artists.items() for _ in range(n)]
    return [made.row(f"{genre}/{i:03}", TRACK, artist=artist) for i, artist in enumerate(names)]


def test_genres_are_counted_with_their_artists():
    found = balance(made.tracks([*rows("rock", {"Ada": 2, "Bo": 1, None: 1, "": 1}), *rows("jazz", {None: 2})]))["genres"]
    assert list(found) == ["jazz", "rock"]
    assert found["rock"] == {
        "tracks": 5,
        "artists": 2,
        "unknown_artist": 2,
        "most": [{"artist": "Ada", "tracks": 2, "share": 0.4}, {"artist": "Bo", "tracks": 1, "share": 0.2}],
    }
    assert found["jazz"] == {"tracks": 2, "artists": 0, "unknown_artist": 2, "most": []}


def test_an_artist_with_a_fifth_of_a_genre_is_a_remark():
    others = {f"artist {i}": 1 for i in range(20)}
    tracks = made.tracks([*rows("reggae", {"Bob": 5} | others), *rows("rock", {"Ada": 6} | others | {"x": 1})])
    assert balance(tracks)["remarks"] == ["6 of 27 rock tracks are by Ada", "5 of 25 reggae tracks are by Bob"]
    assert balance(made.tracks(rows("rock", {"Ada": 4, "Bo": 4})))["remarks"] == []


def test_a_genre_three_times_as_large_as_another_is_a_remark():
    artists = {f"artist {i}": 1 for i in range(30)}
    tracks = made.tracks([*rows("rock", artists), *rows("jazz", dict(list(artists.items())[:10]))])
    assert balance(tracks)["remarks"] == ["rock has 30 tracks, jazz 10: 3.0 times as many"]
    tracks = made.tracks([*rows("rock", artists), *rows("jazz", dict(list(artists.items())[:11]))])
    assert balance(tracks)["remarks"] == []


def test_tracks_without_genre_are_in_none():
    assert balance(made.tracks([made.row("rock/a", TRACK, genre=None)])) == {"genres": {}, "remarks": []}
