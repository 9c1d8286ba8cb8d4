"""What stands on both sides of a split, and what a nearest-neighbour classifier gains from it: the size of the lie.

The same songs, artists and albums in training and test part flatter a classifier of genres (Pampalk, Flexer and Widmer, "Improvements of
audio-based music similarity and genre classification", 2005; Sturm, "The GTZAN dataset: its contents, its faults", 2013).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_batch import progress, splits
from genre_batch.audit.duplicates import Pair
from genre_batch.audit.facts import Tracks
from genre_batch.choices import Protocol
from genre_batch.errors import UsageError
from genre_batch.tables import manifest, storage

MOST_TRACKS = 2000
"""Drawn at random where there are more: an accuracy is known to within 1.1 points by so many."""
SEED = 0


@dataclass(frozen=True, slots=True)
class Split:
    """parts: by track id; url: where they were read."""

    url: str
    parts: dict[str, str]

    def tracks_in(self, track_ids: Sequence[str]) -> int:
        """How many of these tracks have a part."""
        return sum(track_id in self.parts for track_id in track_ids)

    def check(self, track_ids: Sequence[str]) -> None:
        """Warn where only some of these tracks have a part. Raises UsageError where none has: such a split could tear nothing."""
        known = self.tracks_in(track_ids)
        if track_ids and not known:
            its = f"ids such as {next(iter(self.parts))!r}" if self.parts else "no track with a part"
            raise UsageError(
                f"{self.url}: none of the {len(track_ids)} tracks is in this split: it has {its}, and the tracks have ids such as "
                f"{track_ids[0]!r}"
            )
        if known < len(track_ids):
            progress.warn(f"{known} of {len(track_ids)} tracks are in the split {self.url}: leakage is told of these alone")


def read_split(url: str) -> Split:
    """Of a CSV or Parquet file with columns track_id (or track) and part, or of a bundle. Raises UsageError, StoreUnreachable."""
    place = url if url.endswith((".csv", ".parquet")) else storage.join(url, "split.parquet")
    table = manifest.read_table(storage.normal(place))
    name = next((name for name in ("track_id", "track") if name in table.column_names), None)
    if name is None or "part" not in table.column_names:
        raise UsageError(f"{url}: no columns track_id and part: a split has both, one row a track")
    return Split(url, {t: p for t, p in zip(table[name].to_pylist(), table["part"].to_pylist(), strict=True) if p})


def torn(tracks: Tracks, pairs: Sequence[Pair], split: Split | None) -> dict[str, Any]:
    """`pairs`: numbers of pairs on two sides: of the given split, or of what a split by artist may become (no artist, or none known, in
    common). `artists`: those on two sides of the given split; None without one. `shared`: how many tracks are by an artist of several."""
    track_ids, artists = tracks.column("track_id"), tracks.column("artist")
    sides: Sequence[Any] = (
        splits.groups_of(tracks.table, Protocol.ARTIST).tolist() if split is None else [split.parts.get(t) for t in track_ids]
    )
    both = [
        i
        for i, pair in enumerate(pairs)
        if sides[pair.first] != sides[pair.second] and None not in (sides[pair.first], sides[pair.second])
    ]
    by_artist: dict[str, list[int]] = {}
    for number, artist in enumerate(artists):
        if artist:
            by_artist.setdefault(artist, []).append(number)
    return {
        "pairs": both,
        "artists": None if split is None else _torn_artists(by_artist, sides),
        "shared": sum(len(numbers) for numbers in by_artist.values() if len(numbers) > 1),
    }


def _torn_artists(by_artist: dict[str, list[int]], sides: Sequence[str | None]) -> list[dict[str, Any]]:
    found = []
    for artist, numbers in sorted(by_artist.items()):
        parts = [side for number in numbers if (side := sides[number])]
        if len(set(parts)) > 1:
            found.append({"artist": artist, "tracks": {part: parts.count(part) for part in sorted(set(parts))}})
    return sorted(found, key=lambda each: -sum(each["tracks"].values()))


def nearest_neighbour(tracks: Tracks) -> dict[str, Any] | None:
    """Share of segments whose nearest neighbour in other folds has their genre, with segments drawn at random, tracks kept whole, and
    artists kept whole; `gain`: the first less the last. What is compared are mean, deviation and deviation of the change of each band,
    each scaled to variance 1 in what it is fitted on.

    Genres with too few artists for splits.FOLDS folds are left out and named; None where fewer than two are left, or no artist is known.
    """
    usable = tracks.table.append_column("number", pa.array(np.arange(len(tracks))))
    usable = usable.filter(pc.and_(usable["digest"].is_valid(), usable["genre"].is_valid()))
    if not usable.num_rows or not any(usable["artist"].to_pylist()):
        return None
    genres, artists = np.array(usable["genre"].to_pylist()), splits.groups_of(usable, Protocol.ARTIST)
    kept = [str(genre) for genre in np.unique(genres) if len(np.unique(artists[genres == genre])) >= splits.FOLDS]
    if len(kept) < 2:
        return None
    usable = _drawn(usable.filter(pc.is_in(usable["genre"], pa.array(kept))))
    summaries = tracks.summaries(usable["number"].to_pylist())
    rows = usable.take(pa.array(np.repeat(np.arange(usable.num_rows), [len(each) for each in summaries])))
    features, truth = np.concatenate(summaries), np.array(rows["genre"].to_pylist())
    accuracy = {
        protocol.value: _accuracy(features, truth, splits.folds(rows, protocol, seed=SEED))
        for protocol in (Protocol.RANDOM, Protocol.TRACK, Protocol.ARTIST)
    }
    return {
        "tracks": usable.num_rows,
        "segments": len(truth),
        "left_out": sorted(set(genres.tolist()) - set(kept)),
        "accuracy": accuracy,
        "gain": accuracy[Protocol.RANDOM] - accuracy[Protocol.ARTIST],
    }


def _drawn(rows: pa.Table) -> pa.Table:
    """At most MOST_TRACKS, each genre in proportion, though no fewer than its artists need for the folds."""
    if rows.num_rows <= MOST_TRACKS:
        return rows
    rng = np.random.default_rng(SEED)
    genres, artists = np.array(rows["genre"].to_pylist()), splits.groups_of(rows, Protocol.ARTIST)
    chosen: set[int] = set()
    for genre in np.unique(genres):
        members = rng.permutation(np.flatnonzero(genres == genre))
        _, firsts = np.unique(artists[members], return_index=True)
        chosen |= set(members[np.sort(firsts)[: splits.FOLDS]].tolist())
        chosen |= set(members[: round(MOST_TRACKS * len(members) / len(genres))].tolist())
    return rows.take(pa.array(sorted(chosen)))


def _accuracy(features: np.ndarray, truth: np.ndarray, folds: list[splits.Fold]) -> float:
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    right = 0
    for fold in folds:
        model = make_pipeline(StandardScaler(), KNeighborsClassifier(1, algorithm="brute"))
        model.fit(features[fold.train], truth[fold.train])
        right += int((model.predict(features[fold.test]) == truth[fold.test]).sum())
    return right / len(truth)
