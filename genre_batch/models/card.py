"""The model card: what a bundle is and what its figures are worth, for people."""

from typing import Any

import pyarrow as pa

from genre_batch.choices import Protocol

COLUMNS = {"valid": "validation", "test": "test", "folds": "left-out folds"}
"""What the parts of `metrics` are called."""

FIGURES = {
    "track_accuracy": "track accuracy",
    "segment_accuracy": "segment accuracy",
    "macro_f1": "macro-F1",
    "ece": "expected calibration error",
    "coverage": "share of tracks given a genre",
    "selective_accuracy": "accuracy where a genre is given",
}


def model_card(facts: dict[str, Any], split: pa.Table) -> str:
    """Markdown, from the facts of bundle.json and the split."""
    metrics, calibration = facts["metrics"], facts["calibration"]
    lines = [
        f"# {facts['model']}: {len(facts['taxonomy'])} genres from audio",
        "",
        f"Genres: {', '.join(facts['taxonomy'])}.",
        f"Front end: `{facts['front_end']['name']}`, {facts['front_end']['segment_s']:g} s segments.",
        "",
        "## What it is worth",
        "",
        f"{_measured(metrics)} {_heard(facts['provenance']['options']['split'], split)}",
        "",
        f"| | {' | '.join(COLUMNS[part] for part in metrics)} |",
        f"| --- |{' --- |' * len(metrics)}",
        *(
            f"| {title} | {' | '.join(f'{figures[key]:.3f}' for figures in metrics.values())} |"
            for key, title in FIGURES.items()
        ),
        "",
        *_caveat(metrics),
        "",
        "## How it was made",
        "",
        *_made(facts, split),
        f"A track below a confidence of {calibration['unknown_below']:.3f} is called unknown;",
        f"temperature {calibration['temperature']:.3f}.",
        "",
    ]
    return "\n".join(lines)


def _measured(metrics: dict[str, Any]) -> str:
    if "folds" in metrics:
        return f"Measured on {metrics['folds']['n_tracks']} tracks, each by a model that was fitted without its fold."
    return f"Measured on {metrics['test']['n_tracks']} tracks kept out of training."


def _heard(protocol: str, split: pa.Table) -> str:
    if protocol == Protocol.RANDOM:
        return "**Segments of a track stood on both sides of the split: these figures are worthless for recordings it never heard.**"
    if protocol == Protocol.TRACK:
        return "**Artists may stand on both sides of the split: these figures flatter it.**"
    unknown = split["artist"].null_count
    return "No artist of a measured track was heard in training" + (
        f"; the artists of {unknown} of {split.num_rows} tracks are unknown." if unknown else "."
    )


def _caveat(metrics: dict[str, Any]) -> list[str]:
    if "folds" in metrics:
        return [
            "It was chosen among other baselines by its track accuracy, and temperature and threshold were fitted on these same tracks:",
            "expect a little less, even on recordings like those it was trained on.",
        ]
    return [
        "Validation chose when to stop, the temperature and the threshold; only the test column is a fair estimate, and only for",
        "recordings like those it was trained on.",
    ]


def _made(facts: dict[str, Any], split: pa.Table) -> list[str]:
    provenance = facts["provenance"]
    counts = {row["values"]: row["counts"] for row in split["part"].value_counts().to_pylist()}
    if "folds" in facts["metrics"]:
        return [
            f"Fitted on all {counts.get('train', 0)} tracks of {provenance['features']} after it was measured",
            f"(split {provenance['split_digest']}, seed {provenance['seed']}, parameters {provenance['params']}).",
        ]
    return [
        f"Trained on {counts.get('train', 0)} tracks, stopped by {counts.get('valid', 0)}, tested on {counts.get('test', 0)}",
        f"(split {provenance['split_digest']}, seed {provenance['seed']}, shards version {provenance['shards_version']}).",
    ]
