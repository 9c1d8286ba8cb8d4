"""Who may stand on both sides of a split: no artist where artists are known, else no track; a segment alone only to show what that hides.

GTZAN's fault-filtered lists leave out its repetitions and damaged recordings and keep artists apart (Kereliuk, Sturm and Larsen, "Deep
learning and music adversaries", 2015); torchaudio carries them.
"""

import hashlib
import warnings
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, train_test_split

from genre_batch.choices import Protocol
from genre_batch.errors import UsageError

Ints = npt.NDArray[np.int64]


class Part(StrEnum):
    TRAIN = "train"
    VALID = "valid"
    TEST = "test"


FOLDS = 5
"""One fold in five is the test part, one more the validation part."""


@dataclass(frozen=True)
class Fold:
    """Row numbers, ascending; `valid` may be empty."""

    train: Ints
    valid: Ints
    test: Ints


def split(tracks: pa.Table, protocol: Protocol, *, seed: int) -> pa.Table:
    """Give each track its part, about 3 : 1 : 1, stratified by genre; under FAULT_FILTERED as the lists say, others left out.

    tracks: columns track_id, genre, artist (null where unknown). Returns them with a column `part`, ordered by track_id.
    Raises UsageError if a genre has too few groups for every part to hear it, if a part of the lists is empty, and for RANDOM, which tears
    tracks.
    """
    if protocol is Protocol.RANDOM:
        raise UsageError("--split random would put segments of one track on both sides: take artist, track or fault-filtered")
    tracks = tracks.select(["track_id", "genre", "artist"]).sort_by("track_id")
    fold = _listed(tracks) if protocol is Protocol.FAULT_FILTERED else _three_parts(tracks, protocol, FOLDS, seed)
    if not len(fold.valid):
        raise UsageError(
            "none of the tracks that the fault-filtered lists keep for validation is here, and training stops and calibrates by them: "
            "add them to the shards, or take --split artist"
        )
    part = np.full(tracks.num_rows, None, dtype=object)
    part[fold.train], part[fold.valid], part[fold.test] = Part.TRAIN.value, Part.VALID.value, Part.TEST.value
    parted = tracks.append_column("part", pa.array(part.tolist(), pa.string()))
    parted = parted.filter(parted["part"].is_valid())
    check_disjoint(parted, protocol)
    return parted


def folds(rows: pa.Table, protocol: Protocol, *, seed: int, n: int | None = None) -> list[Fold]:
    """n folds, FOLDS unless said otherwise, without validation part, each row tested once; under FAULT_FILTERED the one split of the lists.

    rows: segments or tracks with columns track_id, genre, artist. Raises UsageError as `split`.
    """
    if protocol is Protocol.FAULT_FILTERED:
        return [_listed(rows)]
    genres, groups, n = _genres(rows), groups_of(rows, protocol), n or FOLDS
    _refuse_few(genres, groups, protocol, n)
    tested = _folder(protocol, n, seed, genres, groups)
    found = [Fold(np.setdiff1d(np.arange(len(genres)), test), np.zeros(0, np.int64), test) for test in tested]
    for fold in found:
        _check(fold, groups)
    return found


def original_rows(rows: pa.Table, protocol: Protocol, *, seed: int) -> Fold:
    """70 / 15 / 15. RANDOM is what the original project did with random_state 42: scikit-learn's split, twice, not stratified.

    The other protocols, which it did not have, hold out one fold in seven, and one in six of the rest, stratified.
    """
    if protocol is Protocol.FAULT_FILTERED:
        return _listed(rows)
    if protocol is not Protocol.RANDOM:
        return _three_parts(rows, protocol, 7, seed)
    train, rest = train_test_split(np.arange(rows.num_rows), test_size=0.3, random_state=seed)
    valid, test = train_test_split(rest, test_size=0.5, random_state=seed)
    return Fold(np.sort(train), np.sort(valid), np.sort(test))


def inner_folds(rows: pa.Table, protocol: Protocol, chosen: Ints, n: int, *, seed: int) -> list[tuple[Ints, Ints]]:
    """Of the rows `chosen`, n pairs of rows to fit and rows to judge, as places in `chosen`; grouped as the outer folds are."""
    genres, groups = _genres(rows)[chosen], groups_of(rows, protocol)[chosen]
    judged = _folder(protocol, n, seed, genres, groups)
    return [(np.setdiff1d(np.arange(len(chosen)), part), part) for part in judged]


def groups_of(rows: pa.Table, protocol: Protocol) -> npt.NDArray[np.str_]:
    """What must not stand on both sides, for each row; a row of its own under RANDOM, an artist under FAULT_FILTERED."""
    if protocol is Protocol.RANDOM:
        return np.arange(rows.num_rows).astype(str)
    if protocol is Protocol.TRACK:
        return np.array([str(track_id) for track_id in rows["track_id"].to_pylist()])
    pairs = rows.select(["track_id", "artist"]).to_pylist()
    # A prefix keeps an artist and a track of the same name apart.
    return np.array([f"artist {row['artist']}" if row["artist"] else f"track {row['track_id']}" for row in pairs])


def _genres(rows: pa.Table) -> npt.NDArray[np.str_]:
    return np.array(rows["genre"].to_pylist())


def _three_parts(rows: pa.Table, protocol: Protocol, n: int, seed: int) -> Fold:
    genres, groups = _genres(rows), groups_of(rows, protocol)
    _refuse_few(genres, groups, protocol, n)
    test = _folder(protocol, n, seed, genres, groups)[0]
    rest = np.setdiff1d(np.arange(len(genres)), test)
    valid = rest[_folder(protocol, n - 1, seed, genres[rest], groups[rest])[0]]
    fold = Fold(np.setdiff1d(rest, valid), valid, test)
    _check(fold, groups)
    return fold


def _listed(rows: pa.Table) -> Fold:
    from torchaudio.datasets import gtzan  # imports torch: seconds that other protocols need not pay

    track_ids = [_gtzan_name(track_id) for track_id in rows["track_id"].to_pylist()]
    lists = (gtzan.filtered_train, gtzan.filtered_valid, gtzan.filtered_test)
    fold = Fold(*(np.flatnonzero(np.isin(track_ids, part)) for part in lists))
    if not len(fold.train) or not len(fold.test):
        raise UsageError(
            "fault-filtered lists name tracks of GTZAN, such as blues.00000: none of them is here in train and test part"
        )
    return fold


def _gtzan_name(track_id: str) -> str:
    return track_id.rsplit("/", 1)[-1].removesuffix(".wav").removesuffix(".flac").removesuffix(".mp3").removesuffix(".au")


def _refuse_few(genres: npt.NDArray[np.str_], groups: npt.NDArray[np.str_], protocol: Protocol, least: int) -> None:
    what = "segment" if protocol is Protocol.RANDOM else protocol.value
    for genre in np.unique(genres):
        n = len(np.unique(groups[genres == genre]))
        if n < least:
            way_out = (
                "; --split track needs only tracks, but then an artist stands on both sides"
                if protocol is Protocol.ARTIST
                else ""
            )
            raise UsageError(
                f"genre '{genre}' has {n} different {what}{'' if n == 1 else 's'}; {least} are needed to train, validate "
                f"and test it apart{way_out}"
            )


def check_disjoint(parted: pa.Table, protocol: Protocol) -> None:
    """Raises UsageError if a track, or under ARTIST an artist, stands in two parts."""
    for column in ("track_id", "artist") if protocol is Protocol.ARTIST else ("track_id",):
        known = parted.filter(parted[column].is_valid())
        parts = known.group_by(column).aggregate([("part", "count_distinct")])
        torn = [row[column] for row in parts.to_pylist() if row["part_count_distinct"] > 1]
        if torn:
            raise UsageError(f"{column} {torn[0]!r} stands on both sides of the split, and {len(torn) - 1} more")


def _check(fold: Fold, groups: npt.NDArray[np.str_]) -> None:
    parts = [set(groups[part]) for part in (fold.train, fold.valid, fold.test)]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        if both := parts[i] & parts[j]:
            raise UsageError(f"{min(both)!r} stands on both sides of the split, and {len(both) - 1} more")


def digest(parted: pa.Table) -> str:
    """Sixteen hexadecimal digits of which track stands where."""
    rows = sorted(f"{row['track_id']}\t{row['part']}" for row in parted.select(["track_id", "part"]).to_pylist())
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16]


def digest_of(folds: list[Fold], rows: pa.Table) -> str:
    """Sixteen hexadecimal digits of which segment stands where in each fold; rows: columns track_id, segment."""
    names = [f"{row['track_id']}\t{row['segment']}" for row in rows.select(["track_id", "segment"]).to_pylist()]
    said = hashlib.sha256()
    for fold in folds:
        for part, places in ((Part.TRAIN, fold.train), (Part.VALID, fold.valid), (Part.TEST, fold.test)):
            said.update("\n".join(sorted(f"{names[i]}\t{part}" for i in places)).encode() + b"\n\n")
    return said.hexdigest()[:16]


def _folder(protocol: Protocol, n: int, seed: int, genres: npt.NDArray[np.str_], groups: npt.NDArray[np.str_]) -> list[Ints]:
    """The rows of each of n folds."""
    alone = protocol is Protocol.RANDOM
    folder = (StratifiedKFold if alone else StratifiedGroupKFold)(n, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Said better by _refuse_few: it counts rows, what matters is the number of groups.
        warnings.filterwarnings("ignore", message="The least populated class")
        return [np.asarray(test) for _, test in folder.split(genres, genres, None if alone else groups)]
