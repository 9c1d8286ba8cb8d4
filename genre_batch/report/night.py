"""The page about a night of `label-catalog`: what it did, what changed, and every label to search."""

import json
import math
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from genre_batch import progress
from genre_batch.errors import StoreUnreachable, UsageError
from genre_batch.evaluation.drift import ALARM_AT, ONCE_IN, WATCH_AT
from genre_batch.report import charts, facts, packed, page, pictures, source
from genre_batch.report.facts import Facts
from genre_batch.tables import storage

PAGE = 25
"""Labels that are shown at a time."""
MEANINGS = {
    "no_genre": "The library does not say its genre.",
    "missing": "It was listed, and gone when it was read.",
    "forbidden": "It may not be read; it is tried again every night.",
    "too_large": "The file is larger than --max-mb.",
    "empty": "Nothing is in the file.",
    "undecodable": "Neither decoder finds audio in it.",
    "not_finite": "Its samples are not numbers.",
    "too_long": "It plays longer than --max-audio-hours.",
    "too_short": "It plays for less than a second.",
    "silent": "Nothing can be heard in it.",
    "too_slow": "It took longer than --max-track-seconds.",
    "crashed": "Its worker ended while it worked on it, three times.",
}
"""Of the codes of schemas.rejects."""


@dataclass(frozen=True, kw_only=True)
class Price:
    """Of an hour of one core. cores: that worked on the run; None where the run's parameters tell."""

    core_hour: float
    cores: int | None = None
    currency: str = "USD"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """rows: the most labels that the page lists; segments: the most that its timelines hold; pictures: of how many of the labels shown
    first a spectrogram is drawn, for which their recordings are read."""

    price: Price | None = None
    rows: int = 100_000
    segments: int = 1_000_000
    pictures: int = PAGE


@dataclass(frozen=True)
class Told:
    """Of a report that was written: the run, how many labels of how many it lists, and its size in bytes."""

    run_id: str
    listed: int
    tracks: int
    bytes: int


def write(tables: str, out: str, asked: Asked = Asked()) -> Told:
    """One self-contained HTML file about the newest run. Raises UsageError where no run has published, StoreUnreachable."""
    html, told = make(tables, asked)
    storage.write_bytes(storage.normal(out), html.encode())
    return told


def make(tables: str, asked: Asked = Asked()) -> tuple[str, Told]:
    """The page itself; see `write`."""
    with source.opened(tables) as opened:
        found = facts.gather(opened, tables)
        cost = _cost(found.run, asked.price)
        rows = packed.listed(opened, asked.rows)
        timelines = packed.timelines(opened, rows, asked.segments)
    first = sorted(
        (i for i, row in enumerate(rows) if not row["gone"]), key=lambda i: (round(1000 * rows[i]["confidence"]), i)
    )[:PAGE]
    drawn = _pictures({i: rows[i]["uri"] for i in first[: asked.pictures]})
    html = page.render(
        "night.html",
        title="Genre labels",
        facts=found,
        run=found.run,
        cost=cost,
        charts=_charts(found),
        meanings=MEANINGS,
        watch_at=WATCH_AT,
        alarm_at=ALARM_AT,
        once_in=ONCE_IN,
        rows=rows,
        first=first,
        pictures=drawn,
        # Base64: nothing in it ends a script.
        labels=Markup(packed.labels(rows, drawn)),  # noqa: S704
        packed_timelines=Markup(timelines.text),  # noqa: S704
        timelines=timelines,
        segments=asked.segments,
        page_size=PAGE,
        pages=math.ceil(sum(not row["gone"] for row in rows) / PAGE),
    )
    return html, Told(found.run["run_id"], len(rows), found.tracks, len(html.encode()))


@dataclass(frozen=True)
class Cost:
    """What a run cost, in the price's currency; a_million: of its tracks, None where it tried none."""

    price: Price
    cores: int
    whole: float
    a_million: float | None


def _cost(run: dict[str, Any], price: Price | None) -> Cost | None:
    if price is None:
        return None
    cores = price.cores or json.loads(run["parameters"] or "{}").get("cores")
    if not cores:
        raise UsageError(
            f"how many cores worked on run {run['run_id']} is not in its parameters: give --cores with --core-hour"
        )
    whole = price.core_hour * cores * run["took_s"] / 3600
    tried = run["done"] + run["rejected"]
    return Cost(price, cores, whole, whole / tried * 1e6 if tried else None)


def _charts(found: Facts) -> dict[str, Markup]:
    """What there is enough of to draw."""
    drawn = {}
    if found.tracks:
        drawn["genres"] = charts.genres(found.genres, found.genres_before, was="the version before this run")
        drawn["confidence"] = charts.confidence(found.given, found.withheld)
    if found.run["genres"]:
        before = next((dict(row["genres"]) for row in found.runs[1:] if row["genres"]), None)
        drawn["labelled"] = charts.genres(dict(found.run["genres"]), before, was="the run before")
    if compared := [row for row in found.shifts if row["level"]]:
        drawn["drift"] = charts.drift(compared, WATCH_AT, ALARM_AT)
    if len(found.runs) > 1:
        told = [
            {"when": row["started"][5:], "labelled": row["done"], "rejected": row["rejected"]} for row in reversed(found.runs)
        ]
        drawn["runs"] = charts.runs(told)
    return drawn


def _pictures(uris: dict[int, str]) -> dict[int, str]:
    """Data URIs by row, of those that can be read. A store that does not answer is asked once: pictures are an extra."""
    drawn: dict[int, str] = {}
    try:
        for i, uri in uris.items():
            if picture := pictures.of(uri):
                drawn[i] = picture
    except StoreUnreachable as error:
        progress.warn(f"the report has {len(drawn)} spectrograms: {error}")
    return drawn
