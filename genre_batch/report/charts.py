"""Charts as inline SVG with a text for who cannot see them, drawn by Vega-Altair; without a script, and as wide as a phone.

Colours are those of Okabe and Ito ("Color universal design", 2008), which the colour-blind tell apart, and no colour is the only sign:
what was before is a tick, what is now a bar. The page's styles turn ink and grid light where the reader's screen is dark.
"""

from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import altair as alt
import vl_convert
from markupsafe import Markup

from genre_batch.report.text import percent, shown

BLUE, VERMILLION, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#E69F00", "#009E73", "#767676"
INK, LINE = "#1d2733", "#d5dbe1"
WIDTH, BAR = 230, 22
"""Pixels: with its labels a chart fills a phone of 390 pixels without being scaled, so that its text stays readable."""

MOST_GENRES, OTHERS = 24, "all others"
LIGHT = 0.46
"""From here on black is read better than white on cividis."""

Row = dict[str, Any]

ElementTree.register_namespace("", "http://www.w3.org/2000/svg")
_CONFIG: dict[str, Any] = {
    "aria": False,
    "background": None,
    "font": "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif",
    # Text is measured here in another font than a reader's.
    "padding": {"left": 14, "right": 10, "top": 5, "bottom": 5},
    "view": {"stroke": None},
    "axis": {
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelColor": INK,
        "titleColor": INK,
        "gridColor": LINE,
        "domainColor": GREY,
        "tickColor": GREY,
        "labelLimit": 110,
        "titlePadding": 8,
    },
    "legend": {"labelFontSize": 12, "titleFontSize": 12, "labelColor": INK, "titleColor": INK, "orient": "top", "title": None},
}


def drawn(chart: alt.TopLevelMixin, alt_text: str) -> Markup:
    """SVG, one picture with one text to a screen reader. alt_text: what it shows, as one would tell it on the phone."""
    spec = chart.to_dict() | {"config": _CONFIG}
    # No address is allowed, so that no chart fetches anything while it is drawn.
    svg = vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
    picture = ElementTree.fromstring(svg)  # noqa: S314 Vega wrote it
    for part in picture.iter():
        # A picture has one text; its parts are not things of their own.
        for name in [name for name in part.attrib if name == "role" or name.startswith("aria-")]:
            del part.attrib[name]
    picture.attrib |= {"role": "img", "aria-label": shown(alt_text)}
    return Markup(ElementTree.tostring(picture, encoding="unicode"))  # noqa: S704 it escapes what is text


def _shares(counts: Mapping[str, int]) -> dict[str, float]:
    whole = sum(counts.values())
    return {name: n / whole for name, n in counts.items()} if whole else {}


def _common(counts: Mapping[str, int], kept: set[str]) -> dict[str, int]:
    rest = sum(n for name, n in counts.items() if name not in kept)
    return {name: n for name, n in counts.items() if name in kept} | ({OTHERS: rest} if rest else {})


def genres(now: Mapping[str, int], before: Mapping[str, int] | None, *, was: str) -> Markup:
    """Bars of the shares of genres, the commonest first, and ticks for what they were. now, before: tracks by genre."""
    before = before or {}
    kept = set(
        sorted(now.keys() | before.keys(), key=lambda name: (-now.get(name, 0) - before.get(name, 0), name))[:MOST_GENRES]
    )
    shares, earlier = _shares(_common(now, kept)), _shares(_common(before, kept))
    names = sorted(shares.keys() | earlier.keys(), key=lambda name: (-shares.get(name, 0), name))
    rows = [{"genre": shown(name), "share": shares.get(name, 0.0), "before": earlier.get(name)} for name in names]
    y = alt.Y("genre:N", sort=None, title=None)
    axis = alt.Axis(format=".0%", tickCount=4, title="share of tracks")
    base = alt.Chart(alt.Data(values=rows))
    told = f"{_list(f'{name} {percent(shares.get(name, 0))}' for name in names)}"
    chart: Any = base.mark_bar(color=BLUE, height={"band": 0.7}).encode(x=alt.X("share:Q", axis=axis), y=y)
    if earlier:
        chart += (
            base.transform_filter("datum.before != null")
            .mark_tick(color=VERMILLION, opacity=1, thickness=3, size=BAR - 4)
            .encode(x="before:Q", y=y)
        )
        moved = max(names, key=lambda name: abs(shares.get(name, 0) - earlier.get(name, 0)))
        told += f". Most changed: {moved}, {percent(earlier.get(moved, 0))} in {was}"
    return drawn(chart.properties(width=WIDTH, height=BAR * len(names)), f"Bar chart of the share of each genre: {told}.")


def confidence(given: Sequence[int], withheld: Sequence[int]) -> Markup:
    """A histogram of confidence, tracks that were given a genre over those that were not; bins of equal width from 0 to 1."""
    n = len(given)
    rows = [
        {"from": i / n, "to": (i + 1) / n, "tracks": count, "kind": kind}
        for kind, counts in (("genre given", given), ("unknown", withheld))
        for i, count in enumerate(counts)
    ]
    colours = alt.Scale(domain=["genre given", "unknown"], range=[BLUE, ORANGE])
    chart = (
        alt.Chart(alt.Data(values=rows))
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("from:Q", bin="binned", title="confidence", axis=alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1])),
            x2="to:Q",
            y=alt.Y("tracks:Q", axis=alt.Axis(format="~s", tickCount=4)),
            color=alt.Color("kind:N", scale=colours),
        )
    )
    whole = sum(given) + sum(withheld)
    sure = sum(given[-n // 5 :]) if n >= 5 else 0
    told = (
        f"Histogram of confidence over {whole:,} tracks: {percent(sum(withheld) / whole)} are unknown, "
        f"{percent(sure / whole)} have a genre with a confidence of at least 80 %."
        if whole
        else "Histogram of confidence without any track."
    )
    return drawn(chart.properties(width=WIDTH + 40, height=170), told)


def drift(rows: Sequence[Row], watch_at: float, alarm_at: float) -> Markup:
    """PSI of each quantity with the two thresholds. rows: `quantity`, `psi`, `level`."""
    levels = {"stable": BLUE, "watch": ORANGE, "alarm": VERMILLION}
    highest = max([row["psi"] for row in rows], default=0)
    scale = alt.Scale(domain=[0, max(1.2 * alarm_at, 1.1 * highest)], nice=False)
    bars = (
        alt.Chart(alt.Data(values=list(rows)))
        .mark_bar(height={"band": 0.65})
        .encode(
            x=alt.X("psi:Q", scale=scale, title="population stability index", axis=alt.Axis(tickCount=4)),
            y=alt.Y("quantity:N", sort=None, title=None),
            color=alt.Color("level:N", scale=alt.Scale(domain=list(levels), range=list(levels.values())), legend=None),
        )
    )
    bounds = [{"at": watch_at, "name": f"watch {watch_at:g}"}, {"at": alarm_at, "name": f"alarm {alarm_at:g}"}]
    lines = alt.Chart(alt.Data(values=bounds))
    rules = lines.mark_rule(strokeDash=[4, 3], strokeWidth=1.5, color=GREY).encode(x="at:Q")
    names = lines.mark_text(baseline="bottom", dy=-3, fontSize=11, color=INK).encode(x="at:Q", y=alt.value(0), text="name:N")
    told = _list(f"{row['quantity']} {row['psi']:.2f} ({row['level']})" for row in rows)
    return drawn(
        (bars + rules + names).properties(width=WIDTH, height=BAR * len(rows)),
        f"Bar chart of drift against the previous run: {told}; watch begins at {watch_at:g}, alarm at {alarm_at:g}.",
    )


def runs(rows: Sequence[Row]) -> Markup:
    """Tracks labelled and rejected by run, the oldest first. rows: `when`, `labelled`, `rejected`."""
    names = [row["when"] for row in rows]
    kinds = {"labelled": BLUE, "rejected": ORANGE}
    values = [{"when": row["when"], "kind": kind, "tracks": row[kind]} for row in rows for kind in kinds]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("when:N", sort=names, title="run", axis=alt.Axis(labels=len(rows) <= 8, labelAngle=-40)),
            y=alt.Y("tracks:Q", axis=alt.Axis(format="~s", tickCount=4)),
            color=alt.Color("kind:N", scale=alt.Scale(domain=list(kinds), range=list(kinds.values()))),
            order=alt.Order("kind:N"),
        )
    )
    newest = rows[-1]
    told = (
        f"Bar chart of {len(rows)} runs; the newest labelled {newest['labelled']:,} tracks and rejected {newest['rejected']:,}."
    )
    return drawn(chart.properties(width=WIDTH + 30, height=150), told)


def heat(
    cells: Sequence[Row], *, rows: Sequence[str], columns: Sequence[str], titles: tuple[str, str], alt_text: str, form: str
) -> Markup:
    """A heat map with its values in the cells. cells: `row`, `column`, `value` (as shown, by Vega's number format `form`), `shade`
    from 0 to 1; titles: of the rows and of the columns."""
    side = max(24, min(60, WIDTH // max(len(columns), 1)))
    base = alt.Chart(alt.Data(values=list(cells))).encode(
        x=alt.X("column:N", sort=list(columns), title=titles[1], axis=alt.Axis(labelAngle=-45)),
        y=alt.Y("row:N", sort=list(rows), title=titles[0] or None),
    )
    scale = alt.Scale(scheme="cividis", domain=[0, 1])
    squares = base.mark_rect().encode(color=alt.Color("shade:Q", scale=scale, legend=None))
    ink = alt.condition(f"datum.shade > {LIGHT}", alt.value("black"), alt.value("white"))
    values = base.mark_text(fontSize=11).encode(text=alt.Text("value:Q", format=form), color=ink)
    chart = (squares + values).properties(width=side * len(columns), height=max(24, min(side, 30)) * len(rows))
    return drawn(chart, alt_text)


def _list(parts: Any) -> str:
    return ", ".join(parts)
