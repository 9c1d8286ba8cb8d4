"""The grid of baselines as a page: the words and tables of evaluation.grid, and a heat map for each protocol."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from genre_batch.choices import Map, Model, Profile, Protocol
from genre_batch.evaluation import grid
from genre_batch.report import charts, told
from genre_batch.report.text import percent
from genre_batch.report.told import Figure

Row = dict[str, Any]


def page(rows: Sequence[Row], source: str, *, seed: int, with_deck: bool) -> str:
    """One self-contained HTML page. Arguments: as evaluation.grid.as_markdown takes them."""
    by_split = {
        (profile, protocol): [row for row in rows if (row["profile"], row["protocol"]) == (profile, protocol)]
        for profile in Profile
        for protocol in Protocol
    }
    figures = [
        Figure(heat_map(mine, protocol, profile), f"{_name(protocol)}, profile {profile}: {grid.MEANING[protocol]}.")
        for (profile, protocol), mine in by_split.items()
        if mine
    ]
    return told.render(grid.as_markdown(rows, source, seed=seed, with_deck=with_deck), {"": figures})


def heat_map(rows: Sequence[Row], protocol: Protocol, profile: Profile) -> Markup:
    """Share of segments that are right, of each model under each map, from 0 (dark) to 1 (bright)."""
    models = [model.replace("_", " ") for model in Model if model in {row["model"] for row in rows}]
    maps = [each.value for each in Map if each in {row["map"] for row in rows}]
    cells = [
        {
            "row": row["model"].replace("_", " "),
            "column": row["map"],
            "value": row["segment_accuracy"],
            "shade": row["segment_accuracy"],
        }
        for row in rows
    ]
    best, worst = (pick(rows, key=lambda row: row["segment_accuracy"]) for pick in (max, min))
    alt_text = (
        f"Heat map of segment accuracy under {_name(protocol)}, profile {profile}: from {percent(worst['segment_accuracy'])} "
        f"({worst['model'].replace('_', ' ')}, map {worst['map']}) to {percent(best['segment_accuracy'])} "
        f"({best['model'].replace('_', ' ')}, map {best['map']})."
    )
    return charts.heat(cells, rows=models, columns=maps, titles=("", "feature map"), alt_text=alt_text, form=".2f")


def _name(protocol: Protocol) -> str:
    return f"{protocol} (LEAKY)" if protocol is Protocol.RANDOM else protocol.value
