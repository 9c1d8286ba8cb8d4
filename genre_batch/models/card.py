"""The model card: what a bundle is and what its figures are worth, for people."""

from typing import Any

import pyarrow as pa

from genre_batch.choices import Grouping


def model_card(facts: dict[str, Any], split: pa.Table) -> str:
    """Markdown, from the facts of bundle.json and the split."""
    metrics, calibration, provenance = facts["metrics"], facts["calibration"], facts["provenance"]
    counts = {row["values"]: row["counts"] for row in split["part"].value_counts().to_pylist()}
    grouped = provenance["options"]["split"]
    unknown = split["artist"].null_count
    heard = "**Artists may stand on both sides of the split: these figures flatter it.**"
    if grouped == Grouping.ARTIST:
        heard = "No artist of a measured track was heard in training"
        heard += f"; the artists of {unknown} of {split.num_rows} tracks are unknown." if unknown else "."
    lines = [
        f"# {facts['network']}: {len(facts['taxonomy'])} genres from audio",
        "",
        f"Genres: {', '.join(facts['taxonomy'])}.",
        f"Front end: `{facts['front_end']['name']}`, {facts['front_end']['segment_s']:g} s segments.",
        "",
        "## What it is worth",
        "",
        f"Measured on {metrics['test']['n_tracks']} tracks kept out of training. {heard}",
        "",
        "| | validation | test |",
        "| --- | --- | --- |",
        *(
            f"| {title} | {metrics['valid'][key]:.3f} | {metrics['test'][key]:.3f} |"
            for title, key in (
                ("track accuracy", "track_accuracy"),
                ("segment accuracy", "segment_accuracy"),
                ("macro-F1", "macro_f1"),
                ("expected calibration error", "ece"),
                ("share of tracks given a genre", "coverage"),
                ("accuracy where a genre is given", "selective_accuracy"),
            )
        ),
        "",
        "Validation chose when to stop, the temperature and the threshold; only the test column is a fair estimate, and only for",
        "recordings like those it was trained on.",
        "",
        "## How it was made",
        "",
        f"Trained on {counts.get('train', 0)} tracks, stopped by {counts.get('valid', 0)}, tested on {counts.get('test', 0)}",
        f"(split {provenance['split_digest']}, seed {provenance['seed']}, shards version {provenance['shards_version']}).",
        f"A track below a confidence of {calibration['unknown_below']:.3f} is called unknown;",
        f"temperature {calibration['temperature']:.3f}.",
        "",
    ]
    return "\n".join(lines)
