"""audit.html: what an audit found, for people; one file that asks nothing of any network and runs no script."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from genre_batch import progress
from genre_batch.audit import notice
from genre_batch.audit.checks import Check

MOST_ROWS = 500
"""In one table; audit.json and duplicates.csv hold all."""


def html(figures: dict[str, Any]) -> str:
    """figures: of audit.json. Every name is escaped."""
    told = {check.value: figures["findings"][check.value] for check in Check}
    return (
        _environment()
        .get_template("audit.html")
        .render(figures=figures, told=told, meaning=MEANING, sentence=notice.told(figures["findings"]), most=MOST_ROWS)
    )


MEANING = {
    Check.DUPLICATES.value: "pairs of tracks that are one recording",
    Check.LABELS.value: "of these, pairs of different genres",
    Check.LEAKAGE.value: "pairs, and artists, that a split has on both sides",
    Check.UNREADABLE.value: "tracks that cannot be used",
    Check.CLIPPED.value: "tracks whose loudest parts are cut off",
    Check.SILENT.value: "tracks that are silent, mostly or all over",
    Check.TRUNCATED.value: "tracks that end before their time",
    Check.SHORT.value: "tracks of a few seconds",
    Check.BALANCE.value: "genres much larger than others, and artists that make up much of a genre",
}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("genre_batch.audit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["duration"] = progress.duration
    return environment
