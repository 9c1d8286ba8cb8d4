"""What a run tells Prometheus while it works, by `ray.util.metrics`: each node's agent serves it, under names that begin with `ray_`.

For watching only, never for the accounting: a process that dies takes up to ten seconds of its figures along, and a gauge is served
for twenty seconds after its process ended, so scrape at least as often. What a run came to stands in the runs table.

Recording takes some five microseconds and stays within the process; Ray collects every ten seconds. Ray estimates the `_sum` of a histogram
from its bins: quantiles and counts are to be used, not means.
"""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from ray.util.metrics import Counter, Gauge, Histogram

from genre_batch.evaluation.drift import Against, Drift
from genre_batch.progress import Standing
from genre_batch.taxonomy import UNKNOWN
from schemas.runs import State


class Stage(StrEnum):
    """Where the time of a track goes, and that of a commit."""

    READ = "read"
    EXTRACT = "extract"
    SCORE = "score"
    WRITE = "write"
    COMMIT = "commit"


class Kind(StrEnum):
    """Of a metric; the values are how Prometheus calls them."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """One metric: its name is `genre_batch_` and this, its labels are `tags` and BATCH_JOB; `edges` are those of a histogram's bins."""

    name: str
    kind: Kind
    about: str
    tags: tuple[str, ...] = ()
    edges: tuple[float, ...] = ()

    @property
    def exported(self) -> tuple[str, ...]:
        """The names that Prometheus sees."""
        name = f"ray_{PREFIX}{self.name}"
        match self.kind:
            case Kind.COUNTER:
                return (f"{name}_total",)
            case Kind.GAUGE:
                return (name,)
            case Kind.HISTOGRAM:
                return (f"{name}_bucket", f"{name}_count", f"{name}_sum")


PREFIX = "genre_batch_"
BATCH_JOB = "batch_job"
"""The label that names the job, such as label-catalog; `job` alone is Prometheus' own."""

LABELLED, DONE = "labelled", "done"
"""Outcomes, besides `unknown` and the reasons of rejection: a genre was given; the track's rows were written."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0

TRACKS = Metric("tracks", Kind.COUNTER, "Tracks by what became of them.", ("outcome",))
AUDIO = Metric("audio_seconds", Kind.COUNTER, "Seconds of audio of the tracks that were not rejected.")
STAGES = Metric(
    "stage_seconds",
    Kind.HISTOGRAM,
    "Seconds that one track, or one write or commit, took in a stage.",
    ("stage",),
    (0.001, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)
RETRIES = Metric("store_retries", Kind.COUNTER, "Requests to the store that were made again, by what went wrong.", ("cause",))
LAG = Metric(
    "lag_seconds",
    Kind.HISTOGRAM,
    "Seconds from the last change of a recording to the publication of its row.",
    (),
    (MINUTE, 10 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, 1.5 * DAY, 2 * DAY, 3 * DAY, 7 * DAY, 30 * DAY, 365 * DAY),
)
REMAINING = Metric("remaining_tracks", Kind.GAUGE, "Tracks that the run has still to do.")
FORECAST = Metric("forecast_seconds", Kind.GAUGE, "Seconds until the run is done, at its speed of the last minutes.")
STATE = Metric("run_state", Kind.GAUGE, "1 for the state that the run is in, 0 for the others.", ("state",))
DRIFT = Metric("drift", Kind.GAUGE, "Population stability index.", ("quantity", "against"))

METRICS = (TRACKS, AUDIO, STAGES, RETRIES, LAG, REMAINING, FORECAST, STATE, DRIFT)


class Meter:
    """Records the metrics of one job in this process; a worker has one, and the driver."""

    def __init__(self, job: str) -> None:
        made = {metric.name: _made(metric).set_default_tags({BATCH_JOB: job}) for metric in METRICS}
        self._tracks, self._audio, self._retries = (made[metric.name] for metric in (TRACKS, AUDIO, RETRIES))
        self._stages, self._lag = (made[metric.name] for metric in (STAGES, LAG))
        self._remaining, self._forecast, self._state, self._drift = (
            made[metric.name] for metric in (REMAINING, FORECAST, STATE, DRIFT)
        )

    def track(self, outcome: str, audio_s: float = 0.0) -> None:
        """One track is done; outcome: LABELLED, UNKNOWN, DONE or a reason of rejection."""
        self._tracks.inc(1, {"outcome": outcome})
        if audio_s > 0:
            self._audio.inc(audio_s)

    def labelled(self, genre: str, audio_s: float) -> None:
        self.track(UNKNOWN if genre == UNKNOWN else LABELLED, audio_s)

    @contextmanager
    def timing(self, stage: Stage) -> Iterator[None]:
        """The seconds that the block takes, however it ends."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._stages.observe(time.perf_counter() - started, {"stage": stage.value})

    def retried(self, cause: str, times: int = 1) -> None:
        """cause: one of few, such as an error code; a number or a name of an object would make a series of its own each time."""
        if times:
            self._retries.inc(times, {"cause": cause})

    def published(self, modified: Iterable[datetime | None], at: datetime) -> None:
        """Rows of recordings last changed then, if that is known, were committed; those that were only done again say nothing."""
        for each in modified:
            if each is not None:
                # Clocks of a store and of a driver differ by a little.
                self._lag.observe(max(0.0, (at - each).total_seconds()))

    def standing(self, standing: Standing) -> None:
        """How far the run is; fits `progress.watching(…, seen=meter.standing)`."""
        self._remaining.set(standing.total - standing.done)
        self._forecast.set(standing.left_s)

    def state(self, state: State) -> None:
        for each in State:
            self._state.set(float(each is state), {"state": each.value})

    def drift(self, found: Drift) -> None:
        for against, shifts in ((Against.PREVIOUS_RUN, found.previous_run), (Against.BUNDLE, found.bundle)):
            for quantity, shift in shifts.items():
                self._drift.set(shift.psi, {"quantity": quantity.value, "against": against.value})


def _made(metric: Metric) -> Any:
    """As one of Ray's."""
    name, tags = PREFIX + metric.name, (*metric.tags, BATCH_JOB)
    match metric.kind:
        case Kind.COUNTER:
            return Counter(name, description=metric.about, tag_keys=tags)
        case Kind.GAUGE:
            return Gauge(name, description=metric.about, tag_keys=tags)
        case Kind.HISTOGRAM:
            return Histogram(name, description=metric.about, boundaries=list(metric.edges), tag_keys=tags)
