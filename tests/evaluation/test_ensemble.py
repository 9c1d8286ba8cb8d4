"""Bundles joined: what comes of it is what one would work out by hand, and what cannot be joined is refused."""

import dataclasses
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import log_softmax, softmax

from genre_batch import splits
from genre_batch.choices import Joining, Protocol
from genre_batch.errors import UsageError
from genre_batch.evaluation import left_out
from genre_batch.evaluation.ensemble import ensemble
from genre_batch.front_end import MEL, Descriptors
from genre_batch.models import bundle as bundles
from genre_batch.models import calibrate, scorer
from genre_batch.models import join as joins
from genre_batch.models.bundle import Bundle
from genre_batch.taxonomy import Taxonomy
from tests.sample_folds import DESCRIBED, DRAWN, TWO, cross_validated, found, members_of, segments

pytestmark = pytest.mark.usefixtures("one_thread")


def two(**changes: Any) -> dict[str, Bundle]:
    return {"good": cross_validated(skill=2.0, seed=1), "other": cross_validated("descriptors", seed=2, **changes)}


@pytest.fixture(scope="module")
def mean() -> Bundle:
    return ensemble(two(), Joining.MEAN)


def test_it_says_the_mean_log_probability_of_its_members(mean: Bundle):
    spectrograms, descriptors = segments(5)
    said = scorer.of(mean, "cpu")(spectrograms, descriptors)
    first, second = members_of(mean)
    expected = (log_softmax(first(spectrograms, None), axis=1) + log_softmax(second(None, descriptors), axis=1)) / 2
    np.testing.assert_allclose(said, expected, rtol=1e-5)
    assert not np.allclose(first(spectrograms, None), second(None, descriptors)), "or one member would do"


def test_its_front_end_computes_what_each_member_sees(mean: Bundle):
    assert mean.front_end == dataclasses.replace(DRAWN, name="small+described", descriptors=Descriptors())
    assert mean.front_end.includes(DRAWN)
    assert mean.front_end.includes(DESCRIBED)


def test_a_front_end_that_is_there_keeps_its_name():
    """As shards have it, so that they are known again."""
    whole = dataclasses.replace(DRAWN, name="whole", descriptors=Descriptors())
    assert ensemble(two(front_end=whole), Joining.MEAN).front_end == whole
    both = {"one": cross_validated(seed=1), "other": cross_validated(seed=2)}
    assert ensemble(both, Joining.MEAN).front_end == DRAWN


def test_its_figures_by_hand(mean: Bundle):
    members = [bundle.folds for bundle in two().values()]
    joined = sum(log_softmax(left_out.logits(each), axis=1) for each in members) / 2
    pooled = joined.reshape(40, 2, 2).mean(axis=1)
    labels = np.arange(40) // 2 % 2
    figures = mean.facts["metrics"]["folds"]
    assert figures["track_accuracy"] == (pooled.argmax(axis=1) == labels).mean()
    assert figures["segment_accuracy"] == (joined.argmax(axis=1) == np.repeat(labels, 2)).mean()
    assert (figures["n_tracks"], figures["n_segments"], figures["nested"]) == (40, 80, True)
    expected = calibrate.fit(pooled, labels)
    assert mean.calibration.temperature == pytest.approx(expected.temperature, rel=1e-4)
    assert mean.calibration.unknown_below == pytest.approx(expected.unknown_below, rel=1e-4)
    alone = [(left_out.logits(each).reshape(40, 2, 2), labels) for each in members]
    for told, (logits, truth) in zip(mean.facts["provenance"]["joined"], alone, strict=True):
        right = log_softmax(logits, axis=2).mean(axis=1).argmax(axis=1) == truth
        assert told["track_accuracy"] == right.mean()


def test_what_its_folds_said_is_kept_with_folds_by_artist(mean: Bundle):
    rows = mean.folds
    assert rows is not None
    assert rows.schema.equals(left_out.FOUND)
    joined = sum(log_softmax(left_out.logits(bundle.folds), axis=1) for bundle in two().values()) / 2
    np.testing.assert_allclose(left_out.logits(rows), joined, rtol=1e-5)
    expected = splits.folds(rows.select(["track_id", "genre", "artist"]), Protocol.ARTIST, seed=0)
    for n, fold in enumerate(expected):
        assert set(rows["fold"].take(fold.test).to_pylist()) == {n}


def test_stacking_is_fitted_without_a_track_s_artist_and_at_last_on_all():
    answers = left_out.answers([bundle.folds for bundle in two().values()], TWO)
    made = ensemble(two(), Joining.STACKING)
    assert made.join is not None
    pooled = [calibrate.pool(each, answers.tracks) for each in answers.members]
    assert made.join == joins.stacked(pooled, answers.labels, 2)
    rows = made.folds
    assert rows is not None
    fold = rows["fold"].to_numpy()
    for n in range(5):
        others = fold[::2] != n
        join = joins.stacked([each[others] for each in pooled], answers.labels[others], 2)
        expected = join([each[fold == n] for each in answers.members])
        np.testing.assert_allclose(left_out.logits(rows)[fold == n], expected, rtol=1e-4)
        assert join != made.join, "or all tracks would have had their say"
    spectrograms, descriptors = segments(3)
    first, second = members_of(made)
    weights = [each[0][0] for each in made.join.weights]
    said = weights[0] * log_softmax(first(spectrograms, None), axis=1) + weights[1] * log_softmax(
        second(None, descriptors), axis=1
    )
    np.testing.assert_allclose(scorer.of(made, "cpu")(spectrograms, descriptors), said, rtol=1e-5)


def test_an_ensemble_can_be_joined_again_and_counts_as_one(mean: Bundle):
    third = cross_validated(seed=3)
    made = ensemble({"both": mean, "third": third}, Joining.MEAN)
    assert [member.model for member in made.members] == ["regression 1", "regression 2", "regression 3"]
    assert made.front_end == mean.front_end
    given = segments(4)
    one, two_, three = (log_softmax(each(*given), axis=1) for each in members_of(made))
    expected = softmax(one / 4 + two_ / 4 + three / 2, axis=1)
    np.testing.assert_allclose(softmax(scorer.of(made, "cpu")(*given), axis=1), expected, rtol=1e-5)


def test_it_is_a_bundle_like_any_other(mean: Bundle, tmp_path: Any):
    mean.write(str(tmp_path))
    assert bundles.load(str(tmp_path)) == mean
    assert {file.parent.name for file in tmp_path.rglob("model.skops")} == {tmp_path.name, "2"}


def test_it_says_where_it_comes_from():
    given = two()
    provenance = ensemble(given, Joining.MEAN).facts["provenance"]
    assert [(each["bundle_id"], each["model"], each["models"]) for each in provenance["joined"]] == [
        (bundle.bundle_id, bundle.facts["model"], 1) for bundle in given.values()
    ]
    assert provenance["joined"][1]["provenance"] == given["other"].facts["provenance"]
    assert provenance["options"] == {"split": "artist", "join": "mean"}


def test_recipes_of_networks_are_kept_in_order():
    def trained(*seeds: int) -> dict[str, Any]:
        recipes = [{"network": "compact", "recipe": {"epochs": n}, "seed": n} for n in seeds]
        return cross_validated().facts["provenance"] | {"members": recipes}

    given = {
        "one": cross_validated(seed=1, provenance=trained(1, 2)),
        "none": cross_validated(seed=2),
        "two": cross_validated(seed=3, provenance=trained(5)),
    }
    kept = ensemble(given, Joining.MEAN).facts["provenance"]["members"]
    assert [each["seed"] for each in kept] == [1, 2, 5]
    assert kept[2] == {"network": "compact", "recipe": {"epochs": 5}, "seed": 5}


def test_it_tells_what_it_costs(mean: Bundle):
    cost = mean.facts["provenance"]["cost"]
    assert [each["model"] for each in cost["members"]] == ["regression 1", "regression 2"]
    assert cost["bytes"] == sum(len(data) for name, data in mean.files.items() if name.endswith(".skops"))
    assert f"| all | {cost['milliseconds']:.2f} |" in mean.files["MODEL_CARD.md"].decode()


def test_all_that_a_member_was_trained_on_counts_as_heard():
    given = {
        "one": cross_validated(seed=1, folds=found(1.0, 1, range(38))),
        "other": cross_validated(seed=2, folds=found(1.0, 2, range(2, 40))),
    }
    made = ensemble(given, Joining.MEAN)
    assert made.split["track_id"].to_pylist() == [f"track {n:02}" for n in range(40)]
    assert set(made.split["part"].to_pylist()) == {"train"}
    assert made.facts["metrics"]["folds"]["n_tracks"] == 36


def test_segments_that_one_member_lacks_are_not_judged():
    rows = found(1.0, 2)
    fewer = cross_validated(seed=2, folds=rows.filter(pa.array([i != 7 for i in range(80)])))
    figures = ensemble({"one": cross_validated(seed=1), "other": fewer}, Joining.MEAN).facts["metrics"]["folds"]
    assert (figures["n_tracks"], figures["n_segments"]) == (40, 79)


def test_the_order_of_rows_changes_nothing(mean: Bundle):
    given = two() | {"other": cross_validated("descriptors", seed=2, folds=found(1.0, 2)[::-1])}
    assert ensemble(given, Joining.MEAN).facts["metrics"] == mean.facts["metrics"]


def refused(method: Joining = Joining.MEAN, **given: Bundle) -> str:
    with pytest.raises(UsageError) as error:
        ensemble(given, method)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_one_bundle_is_no_ensemble():
    said = "an ensemble needs two different bundles or more: give --bundle once for each"
    assert refused(one=cross_validated()) == said
    same = cross_validated()
    assert refused(one=same, again=same) == said


def test_a_bundle_without_folds_is_refused():
    plain = dataclasses.replace(cross_validated(seed=2))
    plain = Bundle(plain.described, {name: data for name, data in plain.files.items() if name != "folds.parquet"})
    said = refused(one=cross_validated(seed=1), plain=plain)
    assert said.startswith("bundle plain was not cross-validated")
    assert "train-network --folds 5" in said


def test_a_bundle_that_may_have_heard_the_artists_is_refused():
    provenance = cross_validated().facts["provenance"] | {"options": {"split": "track"}}
    said = refused(one=cross_validated(seed=1), other=cross_validated(seed=2, provenance=provenance))
    assert said == "bundle other was cross-validated by track: train it anew with artists kept apart"


def test_other_genres_are_refused():
    other = cross_validated(seed=2, taxonomy=Taxonomy(("jazz", "pop")))
    said = "bundle other tells apart jazz, pop, and one jazz, rock: only bundles of the same genres can be joined"
    assert refused(one=cross_validated(seed=1), other=other) == said


@pytest.mark.parametrize(
    "front_end",
    [
        dataclasses.replace(DRAWN, name="longer", segment_s=2.0),
        dataclasses.replace(DRAWN, name="longer", top_db=60.0),
        dataclasses.replace(DESCRIBED, name="longer", sample_rate_hz=44_100),
        dataclasses.replace(MEL, name="longer"),
    ],
)
def test_front_ends_that_cannot_be_one_are_refused(front_end: Any):
    said = refused(one=cross_validated(seed=1), other=cross_validated(seed=2, front_end=front_end))
    assert said.startswith("bundle other sees front end longer, which cannot be one with that of the others, small")


def test_bundles_without_common_tracks_are_refused():
    other = cross_validated(seed=2, folds=found(1.0, 2, range(40, 80)))
    assert refused(one=cross_validated(seed=1), other=other).startswith("one and other have no tracks in common")


@pytest.mark.parametrize(("column", "other"), [("artist", "Ada"), ("artist", None), ("genre", "rock")])
def test_a_track_by_two_artists_is_refused(column: str, other: str | None):
    rows = found(1.0, 2).to_pylist()
    told = rows[8][column]
    for row in rows[8:10]:
        row[column] = other
    given = cross_validated(seed=2, folds=pa.Table.from_pylist(rows, left_out.FOUND))
    said = refused(one=cross_validated(seed=1), other=given)
    assert said == (
        f"track 'track 04' has {column} {told!r} in bundle one, and {other!r} in other: train both on the same shards"
    )


def test_an_ensemble_is_not_stacked(mean: Bundle):
    said = refused(Joining.STACKING, one=cross_validated(seed=3), both=mean)
    assert said == "bundle both is an ensemble already: stack the bundles that it was made of, or take --join mean"


def test_too_few_artists_in_common_are_refused():
    first, last = range(24), range(16, 40)
    given = {
        name: cross_validated(seed=n, folds=found(1.0, n, own))
        for n, (name, own) in enumerate({"one": first, "other": last}.items())
    }
    assert refused(**given) == (
        "one and other have tracks by 2 artists of genre 'jazz' in common, and 5 folds need as many: "
        "join bundles that were trained on the same shards"
    )


def test_it_has_as_many_folds_as_its_members():
    """Which were made with three because no genre has more artists."""
    few = {name: cross_validated(seed=n, folds=found(1.0, n, range(12), 3)) for n, name in enumerate(("one", "other"))}
    for method in Joining:
        made = ensemble(few, method)
        assert made.folds is not None
        assert set(made.folds["fold"].to_pylist()) == {0, 1, 2}
        assert len(made.facts["metrics"]["folds"]["track_accuracy_by_fold"]) == 3
    fewest = ensemble({"of 3": few["one"], "of 2": cross_validated(seed=5, folds=found(1.0, 5, range(12), 2))}, Joining.MEAN)
    assert fewest.folds is not None
    assert set(fewest.folds["fold"].to_pylist()) == {0, 1}


def test_folds_that_differ_are_told(mean: Bundle):
    sentence = "Each member's folds are its own"
    assert sentence not in mean.files["MODEL_CARD.md"].decode()
    rows = found(1.0, 9)
    others = pa.array([(n + i // 40) % 5 for i, n in enumerate(rows["fold"].to_pylist())], pa.int32())
    turned = rows.set_column(4, rows.schema.field("fold"), others)
    differ = ensemble({"one": cross_validated(seed=1), "other": cross_validated(seed=9, folds=turned)}, Joining.MEAN)
    assert differ.files["MODEL_CARD.md"].decode().count(sentence) == 1
    outer = ensemble({"pair": differ, "third": cross_validated(seed=3)}, Joining.MEAN)
    assert sentence in outer.files["MODEL_CARD.md"].decode(), "though the pair's own folds may be those of the third"
