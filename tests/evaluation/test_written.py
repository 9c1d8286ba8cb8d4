"""The page says what the figures say, in sentences, and marks what flatters."""

from typing import Any

import numpy as np
import pytest

from genre_batch.evaluation import metrics, written
from genre_batch.models.calibrate import Calibration
from genre_batch.taxonomy import Taxonomy

THREE = Taxonomy(("jazz", "metal", "rock"))
# Of four jazz all are right, of two metal one, of four rock two are taken for metal.
TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
HEARD = np.array([0, 0, 0, 0, 1, 2, 2, 2, 1, 1])
CONFIDENCE = np.array([0.95, 0.91, 0.88, 0.83, 0.78, 0.55, 0.72, 0.68, 0.62, 0.52])


def found(heard: np.ndarray = HEARD, *, true: np.ndarray = TRUE, unknown_below: float = 0.6, **more: Any) -> dict[str, Any]:
    shares = np.repeat((1 - CONFIDENCE)[:, None] / 2, 3, axis=1)
    shares[np.arange(10), heard] = CONFIDENCE
    tracks = np.arange(10)
    return metrics.evaluate(np.log(shares), tracks, true, THREE, Calibration(1.0, unknown_below)) | more


def page(
    figures: dict[str, Any], *, pictures: tuple[str, ...] = (), remarks: tuple[str, ...] = (), taxonomy: Taxonomy = THREE
) -> str:
    return written.markdown(figures, taxonomy, title="compact", pictures=list(pictures), remarks=list(remarks))


def section(text: str, title: str) -> list[str]:
    return text.split(f"## {title}\n\n")[1].split("\n## ")[0].splitlines()


def test_the_paragraph_says_how_many_and_how_sure():
    figures = found(track_accuracy_interval=[0.4, 0.9])
    lines = page(figures).splitlines()
    assert lines[0] == "# compact"
    assert lines[2].startswith(
        "**In one paragraph.** Of 10 tracks in 3 genres, 70.0% are given their true genre; to name the commonest genre every time would "
        "be right for 40.0%. With other tracks of the same kind the figure could as well lie anywhere between 40.0% and 90.0% "
        "(95 % interval): "
    )
    assert "what the model is worth on another collection" in lines[2]


def test_who_was_heard_in_training():
    assert "do not tell which of the tracks took part in training" in page(found())
    kept_apart = page(found(includes_training_tracks=False, tracks_left_out=0))
    assert "None of these tracks took part in training or validation. " in kept_apart
    assert "left out" not in kept_apart
    left_out = page(found(includes_training_tracks=False, tracks_left_out=31))
    assert "training or validation; 31 tracks that did, or whose artist did, are left out." in left_out
    assert "1 track that did, or whose artist did, is left out" in page(
        found(includes_training_tracks=False, tracks_left_out=1)
    )


def test_figures_of_training_tracks_are_marked():
    flattered, fair = page(found(includes_training_tracks=True)), page(found(includes_training_tracks=False))
    assert flattered.splitlines()[2].startswith("**LEAKY: ")
    assert "flattered" in flattered
    assert "trained on some of these very tracks" in flattered
    assert "None of these tracks took part" not in flattered
    assert "LEAKY" not in fair + page(found())
    assert "flattered" not in fair


@pytest.mark.parametrize(("heard", "other"), [(TRUE, "wrong"), ((TRUE + 1) % 3, "right")])
def test_ten_of_ten_are_no_proof(heard: np.ndarray, other: str):
    """1 - .05 ** (1/10) is .259: with a quarter of all tracks wrong, ten right ones in a row are still drawn one time in twenty."""
    text = page(found(heard))
    assert f"no track is {other} leaves an interval without width, but not without doubt: up to 25.9% may be {other}." in text
    assert "could as well lie" not in text


def test_headline_figures_with_intervals():
    figures = found(track_accuracy_interval=[0.4, 0.9], segment_accuracy_interval=[0.41, 0.91])
    lines = section(page(figures), "Figures")
    for row in (
        "|  | figure | 95 % interval |",
        "| track accuracy | 0.700 | 0.400 to 0.900 |",
        "| segment accuracy | 0.700 | 0.410 to 0.910 |",
        f"| macro-F1 of tracks | {(1 + 2 / 5 + 4 / 7) / 3:.3f} |  |",
        "| accuracy of the surest 80 % of tracks | 0.875 |  |",
        "| share of tracks given a genre | 0.800 |  |",
        "| accuracy where a genre is given | 0.875 |  |",
        "10 tracks, 10 segments. Intervals are a bootstrap over whole tracks.",
    ):
        assert row in lines


def test_genres_and_what_they_are_taken_for():
    lines = section(page(found()), "Genres")
    assert lines[2:5] == [
        "| jazz | 1.000 | 1.000 | 1.000 | 4 |",
        "| metal | 0.333 | 0.500 | 0.400 | 2 |",
        "| rock | 0.667 | 0.500 | 0.571 | 4 |",
    ]
    assert lines[6:8] == ["- rock is most often taken for metal: 2 of 4.", "- metal is most often taken for rock: 1 of 2."]
    assert not any(line.startswith("- jazz") for line in lines)


def test_no_confusion_is_said_too():
    assert "- No track is taken for another genre." in section(page(found(TRUE)), "Genres")


def test_of_as_many_errors_the_larger_share_comes_first_and_five_are_named():
    taxonomy = Taxonomy(tuple("abcdefg"))
    counts = np.diag([9, 1, 9, 9, 9, 9, 9])
    counts[[0, 1, 2, 3, 4, 5], [1, 0, 3, 2, 5, 4]] = [2, 2, 1, 5, 3, 4]
    assert written._confusions(counts.tolist(), taxonomy) == [
        "d is most often taken for c: 5 of 14.",
        "f is most often taken for e: 4 of 13.",
        "e is most often taken for f: 3 of 12.",
        "b is most often taken for a: 2 of 3.",
        "a is most often taken for b: 2 of 11.",
    ]


def test_what_is_not_there_is_no_failure():
    """No rock among the tracks, and none is labelled so: three figures that nothing was measured for."""
    lines = section(page(found(np.repeat([0, 1], 5), true=np.repeat([0, 1], 5))), "Genres")
    assert "| rock | – | – | – | 0 |" in lines
    never_named = section(page(found(np.where(HEARD == 2, 1, HEARD))), "Genres")
    assert "| rock | – | 0.000 | 0.000 | 4 |" in never_named


def test_calibration_before_and_after():
    figures = found(ece=0.0512, ece_before_temperature=0.1234, temperature=1.75)
    lines = section(page(figures), "Is it as sure as it is right?")
    assert lines[0].startswith(
        "On average its labels claim 74.4% and 70.0% are right: it is 4.4 points surer than it is right."
    ), "the mean of ten confidences is .744"
    assert "The temperature, 1.750, " in lines[0]
    assert "| expected calibration error | 0.123 | 0.051 |" in lines
    assert "it is 25.6 points less sure than it is right" in page(found(TRUE))


def test_coverage_and_the_threshold():
    """At .6 the two least sure are unknown: .55 and .52, both wrong. Of eight that stay, .62 is wrong."""
    lines = section(page(found()), "What is won by labelling fewer tracks")
    assert lines[0] == (
        "Below a confidence of 0.600 the bundle names no genre: 2 tracks are called unknown, 0 of which would have been right; of the "
        "others 87.5% are right. Were only the surest 80 % labelled, 87.5% of them would be right: 17.5 points more than of all."
    )
    assert lines[4] == "| 100% | 10 | 0.700 | 0.520 |"
    assert lines[6] == "| 80% | 8 | 0.875 | 0.620 |"
    assert lines[13] == "| 10% | 1 | 1.000 | 0.950 |"


def test_a_threshold_that_does_nothing_or_all():
    assert "None of the tracks are called unknown." in page(found(unknown_below=0.0))
    assert "All of the tracks are called unknown." in page(found(unknown_below=1.1))
    assert "1 track is called unknown, 0 of which" in page(found(unknown_below=0.53))
    assert "neither more nor less than of all" in page(found(TRUE))
    assert "would be right: 10.0 points less than of all" in page(found(accuracy_at_80=0.6, gain_at_80=-0.1))


def test_stability_stands_where_it_was_measured():
    assert "What changes a label" not in page(found())
    stability = {
        "gain_minus_6_db": {
            "flip_rate": 0.0312,
            "low": 0.01,
            "high": 0.0625,
            "n": 160,
            "unusable": 2,
            "flip_rate_with_unknown": 0.05,
        },
        "mp3": {"flip_rate": None, "flip_rate_with_unknown": None, "low": None, "high": None, "n": 0, "unusable": 9},
    }
    lines = section(page(found(stability=stability)), "What changes a label that should not")
    assert "| gain minus 6 db | 3.1% | 1.0% to 6.2% | 5.0% | 160 | 2 |" in lines
    assert "| mp3 | – | – | – | 0 | 9 |" in lines


def test_folds_say_who_judged_whom():
    text = page(found(includes_training_tracks=False, tracks_left_out=0, folds=5))
    assert "judged by a network that had heard neither it nor anything by its artist, one of 5 that were trained" in text
    assert "None of these tracks took part" not in text
    assert "Each fold's temperature was fitted on the other folds; their median is 1.000." in text
    assert "Below a confidence of 0.600 (the median of what was fitted on the other folds of each) the bundle" in text
    assert "other folds" not in page(found(includes_training_tracks=False))


def test_seeds_are_told_where_there_are_several():
    repeats = metrics.repeated([found(), found(TRUE)])
    lines = section(page(found(folds=5, repeats=repeats)), "What another seed changes")
    assert lines[0].startswith("Everything else on this page is of the first seed. Of 2 seeds")
    # .7 and 1, deviation .3 / sqrt(2).
    assert "| track accuracy | 0.850 | 0.212 |" in lines
    said = "70.0% are given their true genre; to name the commonest genre every time would be right for "
    assert said in page(found(folds=5, repeats=repeats))
    averaged = (
        "That is the first of 2 seeds; on average over them it is 85.0%, with a deviation of 21.2% between them. With other"
    )
    assert averaged in page(found(folds=5, repeats=repeats))
    alone = page(found(folds=5, repeats=metrics.repeated([found()])))
    assert "another seed" not in alone
    assert "seeds" not in alone


def test_pictures_and_remarks():
    text = page(found(), pictures=("confusion.png", "more of it/reliability curve.png"), remarks=("One network.", "Seed 3."))
    assert section(text, "Pictures")[:2] == [
        *("![confusion](<confusion.png>)", "![reliability curve](<more of it/reliability curve.png>)"),
    ]
    assert section(text, "Remarks") == ["- One network.", "- Seed 3."]
    bare = page(found())
    assert "## Pictures" not in bare
    assert "## Remarks" not in bare


def test_a_bar_in_a_name_opens_no_column():
    names = Taxonomy(("a|b", "metal", "rock"))
    figures = found()
    figures["per_genre"] = dict(zip(names.genres, figures["per_genre"].values(), strict=True))
    assert r"| a\|b | 1.000 | 1.000 | 1.000 | 4 |" in page(figures, taxonomy=names)
