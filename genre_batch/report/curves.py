"""Charts of an evaluation and of a training, as inline SVG; what evaluation.plots draws as PNG, for a page."""

from typing import Any

import altair as alt
from markupsafe import Markup
from scipy.stats import binomtest

from genre_batch.report.charts import BLUE, GREY, VERMILLION, WIDTH, drawn, heat
from genre_batch.report.text import percent, shown
from genre_batch.taxonomy import Taxonomy

Row = dict[str, Any]

_SHARE = alt.Axis(format=".0%", tickCount=5)
_SIZE: dict[str, Any] = {"width": WIDTH + 30, "height": 240}


def confusion(counts: list[list[int]], taxonomy: Taxonomy) -> Markup:
    """Rows are the true genres, columns what was heard; cells count tracks and are as dark as they are rare among their row."""
    names = [shown(genre) for genre in taxonomy.genres]
    cells = [
        {"row": names[i], "column": names[j], "value": n, "shade": n / max(sum(row), 1)}
        for i, row in enumerate(counts)
        for j, n in enumerate(row)
    ]
    right, whole = sum(row[i] for i, row in enumerate(counts)), sum(map(sum, counts))
    told = f"Confusion matrix of {whole} tracks, {right} of them on its diagonal, where label and true genre agree."
    return heat(cells, rows=names, columns=names, titles=("true genre", "labelled"), alt_text=told, form="d")


def reliability(figures: Row) -> Markup:
    """Accuracy against confidence in each bin of `figures["reliability"]`, with Wilson's 95 % interval (1927)."""
    rows = []
    for each in figures["reliability"]:
        interval = binomtest(round(each["accuracy"] * each["n"]), each["n"]).proportion_ci(method="wilson")
        rows.append(
            {key: each[key] for key in ("confidence", "accuracy", "n")}
            | {"low": float(interval.low), "high": float(interval.high)}
        )
    whole = alt.Scale(domain=[0, 1])
    base = alt.Chart(alt.Data(values=rows)).encode(x=alt.X("confidence:Q", scale=whole, axis=_SHARE, title="confidence"))
    diagonal = alt.Chart(alt.Data(values=[{"x": 0, "y": 0}, {"x": 1, "y": 1}])).mark_line(strokeDash=[5, 4], color=GREY)
    y = alt.Y("accuracy:Q", scale=whole, axis=_SHARE, title="tracks that are right")
    chart = (
        diagonal.encode(x="x:Q", y="y:Q")
        + base.mark_rule(color=BLUE, strokeWidth=1.5).encode(y=alt.Y("low:Q", title="tracks that are right"), y2="high:Q")
        + base.mark_line(color=BLUE, point={"color": BLUE, "size": 50}).encode(y=y)
    )
    told = "; ".join(f"at {percent(row['confidence'])} {percent(row['accuracy'])} of {row['n']} are right" for row in rows)
    return drawn(chart.properties(**_SIZE), f"Reliability diagram, confidence against accuracy: {told}.")


def coverage(figures: Row) -> Markup:
    """Accuracy of the surest tracks against the share of tracks labelled, and where the threshold of `unknown` puts the bundle."""
    curve = [{"coverage": point["coverage"], "accuracy": point["accuracy"]} for point in figures["selective"]]
    lowest = min([*(point["accuracy"] for point in curve), figures["track_accuracy"]])
    scale = alt.Scale(domain=[max(0, min(0.5, int(10 * lowest) / 10)), 1])
    y = alt.Y("accuracy:Q", scale=scale, axis=_SHARE, title="of these, right")
    x = alt.X("coverage:Q", scale=alt.Scale(domain=[0, 1]), axis=_SHARE, title="tracks that are given a genre")
    chart: Any = alt.Chart(alt.Data(values=curve)).mark_line(color=BLUE, strokeWidth=2.5).encode(x=x, y=y)
    told = f"Accuracy by the share of tracks labelled: {percent(figures['track_accuracy'])} of all are right"
    if figures["coverage"]:
        here = [{"coverage": figures["coverage"], "accuracy": figures["selective_accuracy"]}]
        chart += (
            alt.Chart(alt.Data(values=here))
            .mark_point(shape="diamond", size=140, filled=True, opacity=1, color=VERMILLION)
            .encode(x=x, y=y)
        )
        told += (
            f"; with unknown below {figures['unknown_below']:.2f}, {percent(figures['coverage'])} are named, and of these "
            f"{percent(figures['selective_accuracy'])} are right"
        )
    return drawn(chart.properties(**_SIZE), f"{told}.")


def learning(history: list[Row], kind: str) -> Markup:
    """kind: `loss` (cross-entropy in nats) or `accuracy` by epoch; rows as evaluation.plots.learning_curves has them. Training is dashed,
    validation is not; the epoch of the lowest validation loss is marked."""
    parts = {"training": f"train_{kind}", "validation": f"valid_{kind}"}
    rows = [
        {"epoch": row["epoch"], "value": row[key], "part": part}
        for part, key in parts.items()
        for row in history
        if row.get(key) is not None
    ]
    axis = _SHARE if kind == "accuracy" else alt.Axis(tickCount=5)
    title = "segments that are right" if kind == "accuracy" else "cross-entropy (nats)"
    base = alt.Chart(alt.Data(values=rows)).encode(x=alt.X("epoch:Q", axis=alt.Axis(tickMinStep=1, tickCount=6, format="d")))
    names = list(parts)
    chart: Any = base.mark_line(strokeWidth=2).encode(
        y=alt.Y("value:Q", axis=axis, title=title, scale=alt.Scale(zero=True)),
        color=alt.Color("part:N", scale=alt.Scale(domain=names, range=[VERMILLION, BLUE])),
        strokeDash=alt.StrokeDash("part:N", scale=alt.Scale(domain=names, range=[[5, 3], [1, 0]])),
    )
    watched = [row for row in history if row.get("valid_loss") is not None]
    told = f"{title.capitalize()} by epoch, over {len(history)} epochs"
    if watched:
        best = min(watched, key=lambda row: row["valid_loss"])["epoch"]
        mark = alt.Chart(alt.Data(values=[{"epoch": best, "text": f"epoch {best}"}])).encode(x="epoch:Q")
        chart += mark.mark_rule(strokeDash=[2, 3], color=GREY)
        told += f"; the lowest validation loss is in epoch {best}"
    last = {part: [row["value"] for row in rows if row["part"] == part][-1:] for part in parts}
    told += "".join(f"; {part} ends at {value[0]:.2f}" for part, value in last.items() if value)
    return drawn(chart.properties(**_SIZE), f"{told}.")
