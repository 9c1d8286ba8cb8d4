"""The model card says what the figures are worth, and when they flatter."""

from typing import Any

import pyarrow as pa
import pytest

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
