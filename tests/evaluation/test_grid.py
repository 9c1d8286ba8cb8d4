"""The grid in words and pictures says what the rows say, and marks what is leaky."""

import csv
import io

import pytest

from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.evaluation import grid
from genre_batch.evaluation.deck import DECK
from tests.rows import Row, trial


def cell(protocol: str, model: str, segment: float, track: float, profile: str = "sound", **changes: object) -> Row:
    return trial(profile=profile, protocol=protocol, model=model, segment_accuracy=segment, track_accuracy=track, **changes) | {
        "per_genre": [("a", 0.5)] * 10
    }


ROWS = [
    cell("random", "ridge", 0.61, 0.62),
    cell("random", "knn", 0.91, 0.9),
    cell("artist", "ridge", 0.52, 0.58, ci_low=0.5, ci_high=0.54),
    cell("artist", "knn", 0.43, 0.45),
]


def test_the_csv_has_the_promised_columns_in_order_and_all_rows():
    rows = list(csv.DictReader(io.StringIO(grid.as_csv(ROWS))))
    assert list(rows[0]) == [
        *(
            "profile",
            "protocol",
            "model",
            "map",
            "segment_accuracy",
            "track_accuracy",
            "macro_f1",
            "std",
            "ci_low",
            "ci_high",
            "n",
        ),
        *("split_digest", "params"),
    ]
    assert [row["model"] for row in rows] == ["ridge", "knn", "ridge", "knn"]
    assert rows[1]["segment_accuracy"] == "0.910000"
    assert rows[1]["n"] == "30"
    assert rows[1]["params"] == '[{"model__n_neighbors": 1}]'


def test_the_paragraph_tells_the_fall_of_the_best_leaky_model():
    text = grid.as_markdown(ROWS, "features.csv", seed=7, with_deck=True)
    paragraph = next(line for line in text.splitlines() if line.startswith("**In one paragraph.**"))
    assert "knn (sound) looks 91% right" in paragraph
    assert "the same model is right 43% of the time" in paragraph
    assert "ridge (sound): 52% of segments and 58% of tracks, where guessing would give about 10%" in paragraph


def test_no_fall_is_told_without_both_sides():
    assert "In one paragraph" not in grid.as_markdown(ROWS[:2], "features.csv", seed=7, with_deck=True)
    assert "In one paragraph" not in grid.as_markdown(ROWS[2:], "features.csv", seed=7, with_deck=True)


def test_each_table_stands_under_its_protocol_with_the_original_beside_it():
    lines = grid.as_markdown(ROWS, "features.csv", seed=7, with_deck=True).splitlines()
    assert lines[0] == "# Baselines on features.csv"
    random, artist = lines.index("## random (LEAKY), profile sound"), lines.index("## artist, profile sound")
    assert lines[random:artist].count("| knn | 0.910 ± 0.030 [0.931] |") == 1
    assert lines[artist:].count("| knn | 0.430 ± 0.030 [0.931] |") == 1
    assert "30 segments of 10 tracks judged; split `0123456789abcdef`" in lines[random + 2]
    best = "Best by track: ridge (sound), track accuracy 0.580, macro-F1 0.550, segment accuracy 0.520 (95 % interval 0.500 to 0.540)."
    assert best in lines[artist:]


def test_the_ranking_is_held_against_the_slides():
    falling = [cell("random", model, accuracy, 0.5) for model, accuracy in (("knn", 0.9), ("svm", 0.8), ("ridge", 0.7))]
    rising = [row | {"protocol": "artist", "segment_accuracy": 1 - row["segment_accuracy"]} for row in falling]
    text = grid.as_markdown([*falling, *rising], "features.csv", seed=7, with_deck=True)
    assert "Rank correlation with the slides (Spearman, 3 cells): 1.00." in text
    assert "Rank correlation with the slides (Spearman, 3 cells): -1.00." in text


def test_a_library_of_ones_own_is_not_held_against_the_original():
    text = grid.as_markdown(ROWS, "shards", seed=7, with_deck=False)
    assert "| knn | 0.910 ± 0.030 |" in text
    assert "slides" not in text


def test_the_best_is_by_track_and_the_first_of_equals():
    assert grid.best(ROWS, Protocol.ARTIST) is ROWS[2]
    assert grid.best([*ROWS, cell("artist", "svm", 0.9, 0.58)], Protocol.ARTIST) is ROWS[2]
    assert grid.best(ROWS, Protocol.TRACK) is None
    seed = cell("artist", "svm", 0.6, 0.7, profile="seed")
    assert grid.best([*ROWS, seed], Protocol.ARTIST) is seed
    assert grid.best([*ROWS, seed], Protocol.ARTIST, Profile.SOUND) is ROWS[2]


@pytest.mark.parametrize("profiles", [["sound"], ["seed", "sound"]])
def test_the_picture_is_a_png_that_grows_with_the_grid(profiles: list[str]):
    rows = [row | {"profile": profile} for profile in profiles for row in ROWS]
    one, two = grid.picture(ROWS[:2]), grid.picture(rows)
    assert one.startswith(b"\x89PNG")
    assert two.startswith(b"\x89PNG")

    def width(png: bytes) -> int:
        return int.from_bytes(png[16:20])

    assert width(two) > width(one)


def test_the_deck_is_whole_and_made_of_1499_test_rows():
    assert set(DECK) == {(model, chosen) for model in Model for chosen in Map}
    assert all(abs(round(accuracy * 1499) / 1499 - accuracy) < 5e-5 for accuracy in DECK.values())
    assert max(DECK, key=DECK.get) == (Model.KNN, Map.NONE)
