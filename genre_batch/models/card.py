"""The model card: what a bundle is, what its figures are worth, what it costs, and what it must not be used for; for people."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from genre_batch.choices import Protocol

COLUMNS = {"valid": "validation", "test": "test", "folds": "left-out folds"}
"""What the parts of `metrics` are called."""

FIGURES = {
    "track_accuracy": "track accuracy",
    "track_accuracy_deviation": "deviation of track accuracy between folds",
    "segment_accuracy": "segment accuracy",
    "macro_f1": "macro-F1",
    "ece": "expected calibration error",
    "coverage": "share of tracks given a genre",
    "selective_accuracy": "accuracy where a genre is given",
    "accuracy_at_80": "accuracy of the surest 80 % of tracks",
}
"""Told where each part has them."""

Facts = dict[str, Any]


def model_card(facts: Facts, split: pa.Table) -> str:
    """Markdown, from the facts of bundle.json and the split. `provenance` may hold `remarks`, sentences of who made the bundle, and
    `cost` as models.cost measures it."""
    remarks = facts["provenance"].get("remarks", [])
    lines = [
        f"# {facts['model']}: {len(facts['taxonomy'])} genres from audio",
        "",
        f"Genres: {', '.join(facts['taxonomy'])}.",
        f"Front end: `{facts['front_end']['name']}`, {facts['front_end']['segment_s']:g} s segments.",
        "",
        *_worth(facts, split),
        *_genres(facts),
        *_made(facts, split),
        *_costs(facts),
        *_limits(facts),
        *(["## Remarks", "", *(f"- {remark}" for remark in remarks), ""] if remarks else []),
    ]
    return "\n".join(lines)


def _worth(facts: Facts, split: pa.Table) -> list[str]:
    metrics = facts["metrics"]
    rows = [
        (title, *(f"{figures[key]:.3f}" for figures in metrics.values()))
        for key, title in FIGURES.items()
        if all(key in figures for figures in metrics.values())
    ]
    return [
        "## What it is worth",
        "",
        f"{_measured(metrics)} {heard(facts['provenance']['options']['split'], split)}",
        "",
        *_table(("", *(COLUMNS[part] for part in metrics)), rows),
        *_caveat(facts),
        "",
    ]


def _measured(metrics: dict[str, Any]) -> str:
    if "folds" in metrics:
        return f"Measured on {metrics['folds']['n_tracks']} tracks, each by a model that was fitted without its fold."
    return f"Measured on {metrics['test']['n_tracks']} tracks kept out of training."


def heard(protocol: str, split: pa.Table) -> str:
    """Whether artists of measured tracks were heard in training; split: artist of each track, null where unknown."""
    if protocol == Protocol.RANDOM:
        return "**Segments of a track stood on both sides of the split: these figures are worthless for recordings it never heard.**"
    if protocol == Protocol.TRACK:
        return "**Artists may stand on both sides of the split: these figures flatter it.**"
    unknown = split["artist"].null_count
    return "No artist of a measured track was heard in training" + (
        f"; the artists of {unknown} of {split.num_rows} tracks are unknown." if unknown else "."
    )


def _caveat(facts: Facts) -> list[str]:
    if "folds" not in facts["metrics"]:
        return [
            "Validation chose when to stop, the temperature and the threshold; only the test column is a fair estimate, and only for",
            "recordings like those it was trained on.",
        ]
    chosen = ["It was chosen among other baselines by its track accuracy."] if "features" in facts["provenance"] else []
    if facts["metrics"]["folds"].get("nested"):
        return [
            *chosen,
            "For each track, temperature and threshold were fitted on other folds, so calibration error, coverage and accuracy where",
            "a genre is given are fair estimates too, for recordings like those it was trained on.",
        ]
    return [
        *chosen,
        "Temperature and threshold were fitted on these same tracks: expect a little less, even on recordings like those it was",
        "trained on.",
    ]


def _genres(facts: Facts) -> list[str]:
    part, figures = list(facts["metrics"].items())[-1]
    if "per_genre" not in figures:
        return []
    rows = [
        (genre, f"{each['recall']:.3f}", f"{each['precision']:.3f}", str(each["n"]))
        for genre, each in figures["per_genre"].items()
    ]
    title = (
        f"Of the tracks of each genre, what share it finds (recall), and what share of what it calls so is so; {COLUMNS[part]}."
    )
    return ["## Genres", "", title, "", *_table(("genre", "recall", "precision", "tracks"), rows)]


def _made(facts: Facts, split: pa.Table) -> list[str]:
    calibration = facts["calibration"]
    return [
        "## How it was made",
        "",
        *_data(facts, split),
        *(f"- {line}" for line in _members(facts)),
        "",
        f"A track below a confidence of {calibration['unknown_below']:.3f} is called unknown;",
        f"temperature {calibration['temperature']:.3f}.",
        "",
    ]


def _data(facts: Facts, split: pa.Table) -> list[str]:
    provenance = facts["provenance"]
    counts = {row["values"]: row["counts"] for row in split["part"].value_counts().to_pylist()}
    train, valid, test = (counts.get(part, 0) for part in ("train", "valid", "test"))
    if joined := provenance.get("joined"):
        return [
            f"Joined of {len(joined)} bundles, which are fitted on {train} tracks between them, by {facts['join']['method']};",
            "for each track that was measured, the join too was fitted on tracks of other artists (seed {}).".format(
                provenance["seed"]
            ),
            *(
                ["Each member's folds are its own; in none had it heard the artist of a track that it was asked about."]
                if provenance.get("folds_differ")
                else []
            ),
            "",
            *(
                f"- bundle {each['bundle_id']}, {each['model']}: track accuracy {each['track_accuracy']:.3f} alone"
                for each in joined
            ),
            "",
        ]
    if "features" in provenance:
        return [
            f"Fitted on all {train} tracks of {provenance['features']} after it was measured",
            f"(split {provenance['split_digest']}, seed {provenance['seed']}, parameters {provenance['params']}).",
            "",
        ]
    source = f"(split {provenance['split_digest']}, seed {provenance['seed']}, shards version {provenance['shards_version']})."
    if "folds" in facts["metrics"]:
        return [
            f"Trained on all {train} tracks; measured by others of the same recipe, each trained without a fold",
            source,
            "",
        ]
    return [f"Trained on {train} tracks, stopped by {valid}, tested on {test}", source, ""]


def _members(facts: Facts) -> list[str]:
    looked_at = [" and ".join(each for each in member["inputs"] if each != "state") for member in facts["members"]]
    return [f"{member['model']}, of {inputs}" for member, inputs in zip(facts["members"], looked_at, strict=True)]


def _costs(facts: Facts) -> list[str]:
    cost = facts["provenance"].get("cost")
    if not cost:
        return []
    lines = [*cost["members"], {"model": "all", "milliseconds": cost["milliseconds"], "bytes": cost["bytes"]}]
    rows = [(each["model"], f"{each['milliseconds']:.2f}", f"{each['bytes'] / 1e6:.2f}") for each in lines]
    return [
        "## What it costs",
        "",
        "Measured on one core when the bundle was made, besides what it takes to decode a recording and to compute what the models see.",
        "",
        *_table(("model", "milliseconds a segment", "megabytes"), rows if len(cost["members"]) > 1 else rows[:1]),
    ]


def _limits(facts: Facts) -> list[str]:
    return [
        "## What it must not be used for",
        "",
        f"- Music of other kinds: it knows {len(facts['taxonomy'])} genres, and calls anything else by one of their names, or unknown.",
        "- Figures of other collections: what is written above holds for recordings like those it was trained on, labelled alike.",
        "- Decisions about people, such as pay, promotion or removal of their music, without somebody who listens: genres are",
        "  opinions, and it is wrong as often as the table says.",
        "",
    ]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    lines = ["|" + "".join(f" {cell} |" if cell else " |" for cell in row) for row in (head, *rows)]
    return [lines[0], f"| --- |{' --- |' * (len(head) - 1)}", *lines[1:], ""]
