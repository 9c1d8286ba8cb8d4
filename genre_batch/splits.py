"""Who may stand on both sides of a split: no artist where artists are known, else no track. Never a segment alone."""

import hashlib
import warnings
from enum import StrEnum

import numpy as np
import pyarrow as pa
from sklearn.model_selection import StratifiedGroupKFold

from genre_batch.choices import Grouping
from genre_batch.errors import UsageError


class Part(StrEnum):
    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


FOLDS = 5
"""One fold in five is the test part, one more the validation part."""


def split(tracks: pa.Table, grouping: Grouping, *, seed: int) -> pa.Table:
    """Give each track its part, about 3 : 1 : 1, stratified by genre.

    tracks: columns track_id, genre, artist (null where unknown). Returns them with a column `part`, ordered by track_id.
    Raises UsageError if a genre has too few groups for every part to hear it.
    """
    tracks = tracks.select(["track_id", "genre", "artist"]).sort_by("track_id")
    genres = np.array(tracks["genre"].to_pylist())
    groups = np.array(_groups(tracks, grouping))
    _refuse_few(genres, groups, grouping)
    part = np.full(len(genres), Part.TRAIN.value, dtype=object)
    held_out = _fold(genres, groups, FOLDS, seed)
    part[held_out] = Part.TEST.value
    rest = np.setdiff1d(np.arange(len(genres)), held_out)
    part[rest[_fold(genres[rest], groups[rest], FOLDS - 1, seed)]] = Part.VALID.value
    parted = tracks.append_column("part", pa.array(part.tolist(), pa.string()))
    check_disjoint(parted, grouping)
    return parted


def _groups(tracks: pa.Table, grouping: Grouping) -> list[str]:
    if grouping is Grouping.TRACK:
        return [str(track_id) for track_id in tracks["track_id"].to_pylist()]
    rows = tracks.select(["track_id", "artist"]).to_pylist()
    # A prefix keeps an artist and a track of the same name apart.
    return [f"artist {row['artist']}" if row["artist"] else f"track {row['track_id']}" for row in rows]


def _refuse_few(genres: np.ndarray, groups: np.ndarray, grouping: Grouping) -> None:
    for genre in np.unique(genres):
        n = len(np.unique(groups[genres == genre]))
        if n < FOLDS:
            way_out = (
                "; --split track needs only tracks, but then an artist stands on both sides"
                if grouping is Grouping.ARTIST
                else ""
            )
            raise UsageError(
                f"genre '{genre}' has {n} different {grouping.value}{'' if n == 1 else 's'}; {FOLDS} are needed to train, validate "
                f"and test it apart{way_out}"
            )


def check_disjoint(parted: pa.Table, grouping: Grouping) -> None:
    """Raises UsageError if a track, or under Grouping.ARTIST an artist, stands in two parts."""
    for column in ("track_id", "artist") if grouping is Grouping.ARTIST else ("track_id",):
        known = parted.filter(parted[column].is_valid())
        parts = known.group_by(column).aggregate([("part", "count_distinct")])
        torn = [row[column] for row in parts.to_pylist() if row["part_count_distinct"] > 1]
        if torn:
            raise UsageError(f"{column} {torn[0]!r} stands on both sides of the split, and {len(torn) - 1} more")


def digest(parted: pa.Table) -> str:
    """Sixteen hexadecimal digits of which track stands where."""
    rows = sorted(f"{row['track_id']}\t{row['part']}" for row in parted.select(["track_id", "part"]).to_pylist())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def _fold(genres: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    folder = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Said better above: it counts tracks, what matters is the number of artists.
        warnings.filterwarnings("ignore", message="The least populated class")
        _, fold = next(folder.split(genres, genres, groups))
    return np.asarray(fold)
