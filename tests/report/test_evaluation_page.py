"""The pages of evaluate and tune-baselines say what their Markdown says, and draw its figures."""

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from genre_batch.choices import Map, Model, Protocol
from genre_batch.evaluation import metrics
from genre_batch.models.calibrate import Calibration
from genre_batch.report import curves, evaluation, grid
from genre_batch.taxonomy import Taxonomy
from tests.report.test_charts import SVG, alt, texts
from tests.rows import trial

THREE = Taxonomy(("jazz", "<b>metal</b>", "rock"))
TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
HEARD = np.array([0, 0, 0, 0, 1, 2, 2, 2, 1, 1])
CONFIDENCE = np.array([0.95, 0.91, 0.88, 0.83, 0.78, 0.55, 0.72, 0.68, 0.62, 0.52])
HISTORY = [
    {"epoch": n, "train_loss": 2.0 / n, "train_accuracy": 0.1 * n, "valid_loss": loss, "valid_accuracy": 0.5}
    for n, loss in enumerate((1.5, 1.0, 1.2), 1)
]


def judged() -> dict[str, Any]:
    shares = np.repeat((1 - CONFIDENCE)[:, None] / 2, 3, axis=1)
    shares[np.arange(10), HEARD] = CONFIDENCE
    found = metrics.evaluate(np.log(shares), np.arange(10), TRUE, THREE, Calibration(1.0, 0.6))
    return found | {"includes_training_tracks": False, "tracks_left_out": 0}


@pytest.fixture(scope="module")
def figures() -> dict[str, Any]:
    return judged()


def page(figures: dict[str, Any], **more: Any) -> str:
    return evaluation.page(figures, THREE, title="Evaluation of compact", remarks=["Bundle `abc`."], **more)


def section(text: str, title: str) -> str:
    return text.split(f"<h2>{title}</h2>")[1].split("</section>")[0]


def test_each_chart_stands_in_the_section_that_the_text_has(figures: dict[str, Any]):
    text = page(figures, history=HISTORY)
    titles = {
        "Genres": "Confusion matrix",
        "Is it as sure as it is right?": "Reliability diagram",
        "What is won by labelling fewer tracks": "Accuracy by the share",
        "How it was trained": "Cross-entropy",
    }
    assert text.count("<h2>") == len(titles) + 2
    for title, told in titles.items():
        assert f'aria-label="{told}' in section(text, title)
    assert "macro-F1" in section(text, "Figures")
    assert "<code>abc</code>" in section(text, "Remarks")


def test_without_a_history_there_are_no_learning_curves(figures: dict[str, Any]):
    assert "How it was trained" not in page(figures)


def test_training_tracks_are_marked(figures: dict[str, Any]):
    assert "LEAKY" in page(figures | {"includes_training_tracks": True})
    assert "LEAKY" not in page(figures)


def test_a_genre_is_text(figures: dict[str, Any]):
    text = page(figures)
    assert "<b>metal" not in text
    assert "&lt;b&gt;metal&lt;/b&gt;" in text


def test_confusion_counts(figures: dict[str, Any]):
    picture = curves.confusion(figures["confusion"], THREE)
    assert [each for each in texts(picture) if each.isdigit()] == ["4", "0", "0", "0", "1", "1", "0", "2", "2"]
    assert alt(picture).startswith("Confusion matrix of 10 tracks, 7 of them on its diagonal")


def test_reliability_has_a_point_a_bin(figures: dict[str, Any]):
    told = alt(curves.reliability(figures))
    assert len(re.findall(r"at \d+% \d+", told)) == len(figures["reliability"])
    assert "of 10 are right" not in told


def test_coverage_marks_the_threshold(figures: dict[str, Any]):
    picture = curves.coverage(figures)
    assert alt(picture).endswith("with unknown below 0.60, 80% are named, and of these 88% are right.")
    assert picture.count('fill="#D55E00"') == 1
    assert 'fill="#D55E00"' not in curves.coverage(figures | {"coverage": 0})


def test_learning_curves_tell_the_best_epoch():
    told = alt(curves.learning(HISTORY, "loss"))
    assert told == (
        "Cross-entropy (nats) by epoch, over 3 epochs; the lowest validation loss is in epoch 2; training ends at 0.67; "
        "validation ends at 1.20."
    )
    alone = [{"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.5, "valid_loss": None, "valid_accuracy": None}]
    assert alt(curves.learning(alone, "accuracy")) == "Segments that are right by epoch, over 1 epochs; training ends at 0.50."


def cell(protocol: Protocol, model: Model, chosen: Map, accuracy: float) -> dict[str, Any]:
    row = trial(protocol=protocol, model=model, map=chosen, segment_accuracy=accuracy, track_accuracy=accuracy)
    return row | {"per_genre": [("a", 0.5)] * 10}


def test_a_heat_map_a_protocol_on_one_scale():
    rows = [
        cell(protocol, model, chosen, accuracy)
        for protocol, base in zip(Protocol, (0.9, 0.7, 0.5, 0.6), strict=True)
        for (model, chosen), accuracy in {(Model.RIDGE, Map.PCA): base, (Model.KNN, Map.PCA): base - 0.1}.items()
    ]
    text = grid.page(rows, "table.csv", seed=1, with_deck=False)
    assert text.count("Heat map of segment accuracy under") == 4
    assert "under random (LEAKY), profile sound: from 80% (knn, map pca) to 90% (ridge, map pca)" in text
    assert text.index("In one paragraph") < text.index("Heat map") < text.index("<h2>random (LEAKY), profile sound</h2>")
    fills = [
        [
            each.get("fill")
            for each in ElementTree.fromstring(picture).iter(f"{SVG}path")
            if (each.get("fill") or "").startswith("rgb")
        ]
        for picture in (
            grid.heat_map(rows[:2], Protocol.RANDOM, "sound"),
            grid.heat_map([rows[2], rows[5]], Protocol.TRACK, "sound"),
        )
    ]
    # 0.9 and 0.8; 0.7 and 0.4: one scale for all.
    assert len({*fills[0], *fills[1]}) == 4
