"""Several bundles joined into one: by what the folds of each said of tracks whose artists they had not heard."""

import dataclasses
import itertools
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import pyarrow as pa

import genre_batch
from genre_batch import splits
from genre_batch.choices import Joining, Protocol
from genre_batch.errors import UsageError
from genre_batch.evaluation import left_out
from genre_batch.evaluation.left_out import FOUND
from genre_batch.evaluation.nested import Answers
from genre_batch.front_end import FrontEnd
from genre_batch.models import calibrate, cost
from genre_batch.models import join as joins
from genre_batch.models.bundle import Bundle
from genre_batch.models.join import Join
from genre_batch.splits import Part

NAME = "ensemble"
SEED = 0
"""Of the folds in which stacking and calibration are fitted."""
ABOUT = ["track_id", "genre", "artist", "segment"]
ORDER = [("track_id", "ascending"), ("segment", "ascending")]


def ensemble(bundles: dict[str, Bundle], method: Joining, remarks: Sequence[str] = ()) -> Bundle:
    """One bundle of the models of all; bundles: by where they come from, which refusals name. Each bundle counts as one member, also one
    that is an ensemble itself.

    Judged on the segments that all of them were cross-validated on: for each track, stacking, temperature and threshold were
    fitted on tracks of other artists. The bundle's own are fitted on all. remarks: sentences for the card. Raises UsageError.
    """
    _refuse(bundles, method)
    front_end = _front_end(bundles)
    taxonomy = next(iter(bundles.values())).taxonomy
    aligned = _common(bundles)
    found = _refolded(bundles, aligned)
    answers = left_out.answers(found, taxonomy, stacking=method is Joining.STACKING)
    figures, calibration = left_out.measure(answers)
    alone = [calibrate.pool(each, answers.tracks).argmax(axis=1) == answers.labels for each in answers.members]
    members = [member for bundle in bundles.values() for member in bundle.members]
    joined = answers.joined(np.ones(len(answers.labels), np.bool_))
    return Bundle.assemble(
        name=NAME,
        members=members,
        join=_join(answers, method).over([bundle.join for bundle in bundles.values()]),
        front_end=front_end,
        taxonomy=taxonomy,
        calibration=calibration,
        split=_heard(bundles),
        provenance={
            "options": {"split": Protocol.ARTIST.value, "join": method.value},
            "members": [each for bundle in bundles.values() for each in bundle.facts["provenance"].get("members", [])],
            "joined": [
                _origin(bundle) | {"track_accuracy": float(right.mean())}
                for bundle, right in zip(bundles.values(), alone, strict=True)
            ],
            "folds_differ": _folds_differ(bundles, aligned),
            "remarks": list(remarks),
            "seed": SEED,
            "code_version": genre_batch.__version__,
            "versions": {name: version(name) for name in ("scikit-learn", "numpy", "scipy")}
            | {"python": platform.python_version()},
            "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "cost": cost.measure(members, front_end),
        },
        metrics={"folds": figures},
        folds=found[0].drop_columns("logits").append_column("logits", pa.array(joined.tolist(), FOUND.field("logits").type)),
    )


def _join(answers: Answers, method: Joining) -> Join:
    """Fitted on all tracks."""
    n_genres = len(answers.taxonomy)
    if method is Joining.MEAN:
        return joins.mean(len(answers.members), n_genres)
    pooled = [calibrate.pool(each, answers.tracks) for each in answers.members]
    return joins.stacked(pooled, answers.labels, n_genres)


def _origin(bundle: Bundle) -> dict[str, Any]:
    facts = bundle.facts
    return {
        "bundle_id": bundle.bundle_id,
        "model": facts["model"],
        "models": len(facts["members"]),
        "provenance": facts["provenance"],
    }


def _refuse(bundles: dict[str, Bundle], method: Joining) -> None:
    if len(bundles) < 2 or len({bundle.bundle_id for bundle in bundles.values()}) < len(bundles):
        raise UsageError("an ensemble needs two different bundles or more: give --bundle once for each")
    (first_url, first), *_ = bundles.items()
    for url, bundle in bundles.items():
        if bundle.folds is None:
            raise UsageError(
                f"bundle {url} was not cross-validated, so nobody knows what it says of artists it never heard: "
                "train it with train-network --folds 5, or with tune-baselines, which tries protocol artist"
            )
        if (protocol := bundle.facts["provenance"]["options"]["split"]) != Protocol.ARTIST:
            raise UsageError(f"bundle {url} was cross-validated by {protocol}: train it anew with artists kept apart")
        if bundle.taxonomy != first.taxonomy:
            raise UsageError(
                f"bundle {url} tells apart {', '.join(bundle.taxonomy.genres)}, and {first_url} "
                f"{', '.join(first.taxonomy.genres)}: only bundles of the same genres can be joined"
            )
        if method is Joining.STACKING and bundle.join:
            raise UsageError(f"bundle {url} is an ensemble already: stack the bundles that it was made of, or take --join mean")


def _front_end(bundles: dict[str, Bundle]) -> FrontEnd:
    """One that computes what each of them sees."""
    seen = {url: bundle.front_end for url, bundle in bundles.items()}
    drawn = next((each for each in seen.values() if each.spectrograms), None)
    described = next((each for each in seen.values() if each.descriptors), None)
    union = drawn or described
    assert union is not None
    if drawn and described and not drawn.descriptors:
        union = dataclasses.replace(drawn, name=f"{drawn.name}+{described.name}", descriptors=described.descriptors)
    for url, each in seen.items():
        if not union.includes(each):
            raise UsageError(
                f"bundle {url} sees front end {each.name}, which cannot be one with that of the others, {union.name}: "
                "join bundles that were trained on the same shards"
            )
    return next((each for each in seen.values() if each.includes(union)), union)


def _common(bundles: dict[str, Bundle]) -> list[pa.Table]:
    """Of each bundle the segments that all of them judged, rows as FOUND, in one order."""
    tables = [bundle.folds for bundle in bundles.values()]
    keys = [list(zip(each["track_id"].to_pylist(), each["segment"].to_pylist(), strict=True)) for each in tables if each]
    common = set.intersection(*map(set, keys))
    if not common:
        raise UsageError(f"{' and '.join(bundles)} have no tracks in common: join bundles that were trained on the same shards")
    aligned = [
        each.filter(pa.array([key in common for key in mine])).sort_by(ORDER)
        for each, mine in zip(tables, keys, strict=True)
        if each
    ]
    _refuse_other_artists(dict(zip(bundles, aligned, strict=True)))
    return [each.select(FOUND.names) for each in aligned]


def _refolded(bundles: dict[str, Bundle], aligned: list[pa.Table]) -> list[pa.Table]:
    """With folds by artist of their own, as many as the bundles were made with, or the one with the fewest."""
    made = [bundle.folds for bundle in bundles.values()]
    n_folds = min(len(each["fold"].unique()) for each in made if each)
    rows = aligned[0].select(ABOUT)
    genres, artists = np.array(rows["genre"].to_pylist()), splits.groups_of(rows, Protocol.ARTIST)
    for genre in np.unique(genres):
        if (n := len(np.unique(artists[genres == genre]))) < n_folds:
            raise UsageError(
                f"{' and '.join(bundles)} have tracks by {n} artists of genre {str(genre)!r} in common, and {n_folds} folds need as many: "
                "join bundles that were trained on the same shards"
            )
    number = np.empty(rows.num_rows, np.int32)
    for i, fold in enumerate(splits.folds(rows, Protocol.ARTIST, seed=SEED, n=n_folds)):
        number[fold.test] = i
    place = FOUND.get_field_index("fold")
    return [each.set_column(place, "fold", pa.array(number)).cast(FOUND) for each in aligned]


def _folds_differ(bundles: dict[str, Bundle], aligned: list[pa.Table]) -> bool:
    """Whether they were cross-validated in different folds, they or the members of one that is an ensemble itself."""
    inner = any(bundle.facts["provenance"].get("folds_differ") for bundle in bundles.values())
    return inner or any(not each["fold"].equals(aligned[0]["fold"]) for each in aligned)


def _refuse_other_artists(tables: dict[str, pa.Table]) -> None:
    """What one took for another artist, its folds may have heard in training."""
    (first_url, first), *others = tables.items()
    for url, each in others:
        for column in ("genre", "artist"):
            pairs = zip(first["track_id"].to_pylist(), first[column].to_pylist(), each[column].to_pylist(), strict=True)
            for track_id, one, other in pairs:
                if one != other:
                    raise UsageError(
                        f"track {track_id!r} has {column} {one!r} in bundle {first_url}, and {other!r} in {url}: "
                        "train both on the same shards"
                    )


def _heard(bundles: dict[str, Bundle]) -> pa.Table:
    """All tracks that any of them was trained on, as a bundle's split."""
    rows = (row for bundle in bundles.values() for row in bundle.split.to_pylist())
    by_track = itertools.groupby(sorted(rows, key=lambda row: str(row["track_id"])), key=lambda row: row["track_id"])
    heard = [next(same) | {"part": Part.TRAIN.value} for _, same in by_track]
    return pa.Table.from_pylist(heard, next(iter(bundles.values())).split.schema)
