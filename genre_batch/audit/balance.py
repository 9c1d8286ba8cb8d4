"""How many tracks each genre has, and how many of these are by one artist."""

from collections import Counter, defaultdict
from typing import Any

from genre_batch.audit.facts import Tracks

LARGEST_OVER_SMALLEST = 3.0
ONE_ARTIST = 0.2
"""Share of a genre's tracks by one artist: a model may learn the artist instead."""
LEAST_TRACKS = 5
"""Fewer by one artist are no remark, however small the genre."""


def balance(tracks: Tracks) -> dict[str, Any]:
    """`genres`: for each tracks, artists, tracks of unknown artist, and the artists with most tracks; `remarks`: what is out of balance."""
    by_genre: dict[str, list[str | None]] = defaultdict(list)
    for genre, artist in zip(tracks.column("genre"), tracks.column("artist"), strict=True):
        if genre is not None:
            by_genre[genre].append(artist or None)
    genres = {genre: _genre(by_genre[genre]) for genre in sorted(by_genre)}
    return {"genres": genres, "remarks": [*_sizes(genres), *_artists(genres)]}


def _genre(artists: list[str | None]) -> dict[str, Any]:
    counts = Counter(artist for artist in artists if artist)
    most = sorted(counts.items(), key=lambda each: (-each[1], each[0]))[:3]
    return {
        "tracks": len(artists),
        "artists": len(counts),
        "unknown_artist": artists.count(None),
        "most": [{"artist": artist, "tracks": n, "share": n / len(artists)} for artist, n in most],
    }


def _sizes(genres: dict[str, Any]) -> list[str]:
    if not genres:
        return []
    ordered = sorted(genres, key=lambda genre: (genres[genre]["tracks"], genre))
    least, most = (genres[ordered[place]]["tracks"] for place in (0, -1))
    if most < LARGEST_OVER_SMALLEST * least:
        return []
    return [f"{ordered[-1]} has {most} tracks, {ordered[0]} {least}: {most / least:.1f} times as many"]


def _artists(genres: dict[str, Any]) -> list[str]:
    found = [
        (each["share"], f"{each['tracks']} of {told['tracks']} {genre} tracks are by {each['artist']}")
        for genre, told in genres.items()
        for each in told["most"]
        if each["share"] >= ONE_ARTIST and each["tracks"] >= LEAST_TRACKS
    ]
    return [remark for _, remark in sorted(found, key=lambda each: (-each[0], each[1]))]
