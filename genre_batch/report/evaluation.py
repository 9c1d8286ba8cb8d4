"""An evaluation as a page: the words of evaluation.written, with its pictures as charts among them."""

from typing import Any

from genre_batch.evaluation import written
from genre_batch.report import curves, told
from genre_batch.report.told import Figure
from genre_batch.taxonomy import Taxonomy

LEARNING = "How it was trained"


def page(
    figures: dict[str, Any], taxonomy: Taxonomy, *, title: str, remarks: list[str], history: list[dict[str, Any]] | None = None
) -> str:
    """One self-contained HTML page. figures, title and remarks: as written.markdown takes them, such as evaluation.json; history: of the
    training, by epoch, for learning curves."""
    text = written.markdown(figures, taxonomy, title=title, pictures=[], remarks=remarks)
    charts = {
        "Genres": [
            Figure(
                curves.confusion(figures["confusion"], taxonomy),
                "Tracks by true genre and label. Bright: a large share of the row.",
            )
        ],
        "Is it as sure as it is right?": [
            Figure(
                curves.reliability(figures),
                "Tracks by confidence, with the 95 % interval of how many are right. On the dashed line a label is as sure as it is right.",
            )
        ],
        "What is won by labelling fewer tracks": [
            Figure(
                curves.coverage(figures),
                "The surest tracks, from the left. The diamond is where the bundle begins to say unknown.",
            )
        ],
    }
    if history:
        charts[LEARNING] = [
            Figure(
                curves.learning(history, "loss"), "Loss by epoch; the dotted line is the epoch of the lowest validation loss."
            ),
            Figure(curves.learning(history, "accuracy"), "Accuracy by epoch."),
        ]
    return told.render(text, charts)
