"""The grid of baselines as people read it: CSV, Markdown with the original's figures beside ours, and heat maps."""

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.evaluation.deck import DECK

Row = dict[str, Any]
"""A row of schemas.trials."""

COLUMNS = (
    *("profile", "protocol", "model", "map", "segment_accuracy", "track_accuracy", "macro_f1", "std", "ci_low", "ci_high", "n"),
    *("split_digest", "params"),
)

MEANING = {
    Protocol.RANDOM: "LEAKY: segments of one track stand on both sides",
    Protocol.TRACK: "no track on both sides; artists may be",
    Protocol.ARTIST: "no artist on both sides",
    Protocol.FAULT_FILTERED: "GTZAN without its repetitions and faults, no artist on both sides",
}


def as_csv(rows: Sequence[Row]) -> str:
    """`std`, `ci_low` and `ci_high` are of segment accuracy, `n` counts segments, `params` is JSON: one choice a fold or seed."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {name: f"{value:.6f}" if isinstance(value, float) else value for name, value in row.items()} for row in rows
    )
    return text.getvalue()


def as_markdown(rows: Sequence[Row], source: str, *, seed: int, with_deck: bool) -> str:
    """One paragraph for who decides, then a table for each profile and protocol; with_deck: the original's figures in brackets."""
    lines = [f"# Baselines on {source}", "", *_summary(rows)]
    for profile in _there(rows, "profile", Profile):
        for protocol in _there(rows, "protocol", Protocol):
            lines += _section([row for row in rows if (row["profile"], row["protocol"]) == (profile, protocol)], with_deck)
    deck = ", then in brackets what the original project's slides say (segments of 3 s, split at random)" if with_deck else ""
    lines += [
        f"Each figure: share of segments that are right ± deviation between five folds (or seeds, where the protocol has one split){deck}.",
        "Track accuracy, macro-F1, the interval of the bootstrap over tracks and the parameters chosen are in `grid.csv` and in the table",
        f"`trials`. Seed {seed}.",
        "",
    ]
    return "\n".join(lines)


def picture(rows: Sequence[Row]) -> bytes:
    """PNG: a row of heat maps for each profile, one for each protocol, on one scale; the leaky one is marked."""
    profiles, protocols = _there(rows, "profile", Profile), _there(rows, "protocol", Protocol)
    models, maps = _there(rows, "model", Model), _there(rows, "map", Map)
    figure = Figure(figsize=(2.2 + 2.9 * len(protocols), 4.2 * len(profiles)), layout="constrained")
    panels = figure.subplots(len(profiles), len(protocols), squeeze=False)
    accuracy = {(row["profile"], row["protocol"], row["model"], row["map"]): row["segment_accuracy"] for row in rows}
    for i, profile in enumerate(profiles):
        for j, protocol in enumerate(protocols):
            cells = np.array([[accuracy[profile, protocol, model, chosen] for chosen in maps] for model in models])
            axes, leaky = panels[i, j], protocol == Protocol.RANDOM
            shown = axes.imshow(cells, vmin=0, vmax=1, cmap="cividis", aspect="auto")
            for (y, x), value in np.ndenumerate(cells):
                axes.text(x, y, f"{value:.2f}".lstrip("0"), ha="center", va="center", color="black" if value > 0.5 else "white")
            axes.set_xticks(range(len(maps)), [each.value for each in maps], rotation=30)
            axes.set_yticks(range(len(models)), [each.replace("_", " ") for each in models] if j == 0 else [])
            axes.set_title(
                f"{protocol}{' – LEAKY' if leaky else ''}\n{profile} profile",
                color="firebrick" if leaky else "black",
                fontsize=10,
            )
            if leaky:
                axes.spines[:].set(color="firebrick", linewidth=3)
    figure.colorbar(shown, ax=panels[:, -1], label="share of segments that are right")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=120)
    return image.getvalue()


def best(rows: Sequence[Row], protocol: Protocol, profile: Profile | None = None) -> Row | None:
    """The highest track accuracy under a protocol, the first of equals."""
    mine = [row for row in rows if row["protocol"] == protocol and profile in (None, row["profile"])]
    return max(mine, key=lambda row: row["track_accuracy"], default=None)


def _there(rows: Sequence[Row], column: str, kind: Any) -> list[Any]:
    found = {row[column] for row in rows}
    return [each for each in kind if each in found]


def _name(row: Row) -> str:
    mapped = "" if row["map"] == Map.NONE else f" with {row['map']} map"
    return f"{row['model'].replace('_', ' ')}{mapped} ({row['profile']})"


def _summary(rows: Sequence[Row]) -> list[str]:
    leaky = max(
        (row for row in rows if row["protocol"] == Protocol.RANDOM), key=lambda row: row["segment_accuracy"], default=None
    )
    honest = next((p for p in (Protocol.ARTIST, Protocol.FAULT_FILTERED) if best(rows, p)), None)
    if leaky is None or honest is None:
        return []
    same = next(
        row for row in rows if row["protocol"] == honest and all(row[key] == leaky[key] for key in ("profile", "model", "map"))
    )
    winner = best(rows, honest)
    assert winner is not None
    return [
        f"**In one paragraph.** Where segments of one recording may be both learnt from and asked about, {_name(leaky)} looks "
        f"{leaky['segment_accuracy']:.0%} right. It has not learnt the genre but the recording: asked about artists it never heard, "
        f"the same model is right {same['segment_accuracy']:.0%} of the time. The best that these descriptors can do there is "
        f"{_name(winner)}: {winner['segment_accuracy']:.0%} of segments and {winner['track_accuracy']:.0%} of tracks, where guessing "
        f"would give about {1 / len(winner['per_genre']):.0%}. A new recording in a catalog is by an artist the model never heard, or "
        "nearly so: plan with the figures by artist, and read the random ones as a measure of the mistake. Differences smaller than "
        "the deviations are noise.",
        "",
    ]


def _section(rows: Sequence[Row], with_deck: bool) -> list[str]:
    first = rows[0]
    protocol = Protocol(first["protocol"])
    maps, models = _there(rows, "map", Map), _there(rows, "model", Model)
    cells = {(row["model"], row["map"]): row for row in rows}
    title = f"{protocol}{' (LEAKY)' if protocol is Protocol.RANDOM else ''}, profile {first['profile']}"
    lines = [
        f"## {title}",
        "",
        f"{MEANING[protocol]}. {first['n']} segments of {first['n_tracks']} tracks judged; split `{first['split_digest']}`.",
        "",
        f"| | {' | '.join(maps)} |",
        f"| --- |{' --- |' * len(maps)}",
    ]
    for model in models:
        figures = [_cell(cells[model, chosen]) + (f" [{DECK[model, chosen]:.3f}]" if with_deck else "") for chosen in maps]
        lines.append(f"| {model.replace('_', ' ')} | {' | '.join(figures)} |")
    top = best(rows, protocol)
    assert top is not None
    low, high = (f"{top[key]:.3f}" for key in ("ci_low", "ci_high"))
    lines += [
        "",
        f"Best by track: {_name(top)}, track accuracy {top['track_accuracy']:.3f}, macro-F1 {top['macro_f1']:.3f}, segment accuracy "
        f"{top['segment_accuracy']:.3f} (95 % interval {low} to {high}).",
        "",
    ]
    if with_deck and len(rows) > 2:
        ours = [row["segment_accuracy"] for row in rows]
        agreement = spearmanr(ours, [DECK[row["model"], row["map"]] for row in rows]).statistic
        lines += [f"Rank correlation with the slides (Spearman, {len(rows)} cells): {agreement:.2f}.", ""]
    return lines


def _cell(row: Row) -> str:
    return f"{row['segment_accuracy']:.3f} ± {row['std']:.3f}"
