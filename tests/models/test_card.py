"""The model card says what a bundle is made of, what the figures are worth, when they flatter, and what it costs."""

from typing import Any

import pyarrow as pa
import pytest

from genre_batch.models import join
from genre_batch.models.bundle import Member
from tests.sample_bundle import SPLIT, figures, sample


def card(**changes: Any) -> str:
    return sample(**changes).files["MODEL_CARD.md"].decode()


def provenance(split: str) -> dict[str, Any]:
    return {"options": {"split": split}, "split_digest": "0123", "seed": 3, "shards_version": 7}


def test_what_it_is():
    text = card()
    assert "# compact: 2 genres from audio" in text
    assert "Genres: jazz, rock." in text
    assert "Front end: `small`, 1 s segments." in text


def test_figures_stand_in_their_columns():
    text = card(metrics={"valid": figures(track_accuracy=0.9996, ece=0.0123), "test": figures(track_accuracy=0.5, n_tracks=41)})
    assert "Measured on 41 tracks kept out of training." in text
    for row in (
        "| | validation | test |",
        "| track accuracy | 1.000 | 0.500 |",
        "| segment accuracy | 0.750 | 0.750 |",
        "| macro-F1 | 0.700 | 0.700 |",
        "| expected calibration error | 0.012 | 0.050 |",
        "| share of tracks given a genre | 0.900 | 0.900 |",
        "| accuracy where a genre is given | 0.950 | 0.950 |",
    ):
        assert row in text.splitlines()


def test_how_it_was_made():
    text = card()
    assert "Trained on 3 tracks, stopped by 1, tested on 2\n(split 0123, seed 3, shards version 7)." in text
    assert "A track below a confidence of 0.432 is called unknown;\ntemperature 1.700." in text


def test_artists_kept_apart():
    known = SPLIT.set_column(2, "artist", pa.array(list("abcdef")))
    assert "No artist of a measured track was heard in training.\n" in card(split=known)
    assert "flatter" not in card(split=known)


def test_unknown_artists_are_counted():
    text = card()
    assert "No artist of a measured track was heard in training; the artists of 2 of 6 tracks are unknown." in text


@pytest.mark.parametrize("artists", [["Ada"] * 6, [None] * 6])
def test_a_split_by_track_is_said_to_flatter(artists: list[str | None]):
    text = card(provenance=provenance("track"), split=SPLIT.set_column(2, "artist", pa.array(artists, pa.string())))
    assert "**Artists may stand on both sides of the split: these figures flatter it.**" in text
    assert "No artist of a measured track" not in text


def test_a_part_without_tracks_counts_none():
    assert "Trained on 3 tracks, stopped by 1, tested on 0" in card(split=SPLIT.filter([True, True, False, True, True, False]))


def of_folds(**changes: Any) -> str:
    return card(
        **{"metrics": {"folds": figures(n_tracks=6)}, "provenance": provenance("artist"), "split": everything()} | changes
    )


def everything() -> pa.Table:
    return SPLIT.set_column(3, "part", pa.array(["train"] * 6))


def test_a_cross_validated_network():
    text = of_folds(metrics={"folds": figures(n_tracks=6) | {"track_accuracy_deviation": 0.0427, "accuracy_at_80": 0.9}})
    assert "Measured on 6 tracks, each by a model that was fitted without its fold." in text
    assert "| | left-out folds |" in text.splitlines()
    assert "| deviation of track accuracy between folds | 0.043 |" in text.splitlines()
    assert "| accuracy of the surest 80 % of tracks | 0.900 |" in text.splitlines()
    assert "Trained on all 6 tracks; measured by others of the same recipe, each trained without a fold\n(split 0123" in text
    assert "- compact, of spectrograms" in text.splitlines()


def test_a_figure_that_one_part_lacks_is_not_told():
    text = card(metrics={"valid": figures(), "test": figures(accuracy_at_80=0.9)})
    assert "surest" not in text


@pytest.mark.parametrize("nested", [True, False])
def test_calibration_is_called_fair_only_where_it_is(nested: bool):
    text = of_folds(metrics={"folds": figures() | {"nested": nested}})
    assert ("temperature and threshold were fitted on other folds" in text) == nested
    assert ("fitted on these same tracks: expect a little less" in text) == (not nested)


def test_a_baseline_was_chosen_among_others():
    made = provenance("artist") | {"features": "/music/shards", "params": {"model__C": 1.0}}
    text = of_folds(provenance=made)
    assert "It was chosen among other baselines by its track accuracy." in text
    assert "Fitted on all 6 tracks of /music/shards after it was measured\n" in text
    assert "(split 0123, seed 3, parameters {'model__C': 1.0})." in text
    assert "chosen among" not in of_folds()


def test_each_genre_of_the_part_that_counts():
    def genres(recall: float) -> dict[str, Any]:
        return {"per_genre": {"jazz": {"precision": 0.25, "recall": recall, "f1": 0.3, "n": 7}}}

    text = card(metrics={"valid": figures() | genres(0.125), "test": figures() | genres(0.375)})
    assert "| jazz | 0.375 | 0.250 | 7 |" in text.splitlines()
    assert "0.125" not in text
    assert "## Genres" not in card()


def test_members_and_their_join():
    members = [
        Member("svm", ("statistics",), {"model.skops": b"a"}),
        Member("crnn", ("spectrograms", "descriptors", "state"), {}),
    ]
    origins = [
        {"bundle_id": "b1", "model": "svm", "track_accuracy": 0.59},
        {"bundle_id": "b2", "model": "crnn", "track_accuracy": 0.625},
    ]
    made = provenance("artist") | {"joined": origins, "seed": 0}
    lines = of_folds(members=members, join=join.mean(2, 2), provenance=made).splitlines()
    assert "Joined of 2 bundles, which are fitted on 6 tracks between them, by mean log-probability;" in lines
    assert "- bundle b2, crnn: track accuracy 0.625 alone" in lines
    assert "- svm, of statistics" in lines
    assert "- crnn, of spectrograms and descriptors" in lines
    sentence = "Each member's folds are its own; in none had it heard the artist of a track that it was asked about."
    assert sentence not in lines
    assert sentence in of_folds(members=members, join=join.mean(2, 2), provenance=made | {"folds_differ": True}).splitlines()


def test_what_it_costs():
    one = {"model": "svm", "milliseconds": 0.456, "bytes": 4_890_000}
    alone = {"members": [one], "milliseconds": 0.456, "bytes": 4_890_000}
    text = card(provenance=provenance("artist") | {"cost": alone})
    assert "| svm | 0.46 | 4.89 |" in text.splitlines()
    assert "| all |" not in text
    pair = {"members": [one, one], "milliseconds": 0.912, "bytes": 9_780_000}
    assert "| all | 0.91 | 9.78 |" in card(provenance=provenance("artist") | {"cost": pair}).splitlines()
    assert "## What it costs" not in card()


def test_what_it_must_not_be_used_for():
    assert "## What it must not be used for\n\n- Music of other kinds: it knows 2 genres" in card()


def test_remarks_of_who_made_it():
    said = ["Labels of this collection are right in 94 of 100 cases.", "Another."]
    text = card(provenance=provenance("artist") | {"remarks": said})
    assert text.endswith(f"## Remarks\n\n- {said[0]}\n- Another.\n")
    assert "## Remarks" not in card()
