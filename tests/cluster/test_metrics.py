"""Metrics: what a worker and a driver record arrives at the node's Prometheus endpoint, and costs a track nothing."""

import time
import urllib.request
from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families

from genre_batch.cluster import metrics
from genre_batch.cluster.metrics import METRICS, Kind, Meter, Stage
from genre_batch.evaluation.drift import Drift, Quantity, Shift
from genre_batch.progress import Standing
from schemas.rejects import Reason
from schemas.runs import State

ARRIVED_S = 60.0
"""Ray collects every ten seconds."""

Samples = dict[str, dict[str, float]]


@ray.remote(num_cpus=0)
def work(job: str) -> None:
    """As a worker: three tracks and a reject."""
    meter = Meter(job)
    meter.labelled("rock", 200.5)
    meter.labelled("jazz", 100.0)
    meter.labelled("unknown", 50.0)
    meter.track(Reason.SILENT)
    for _ in range(3):
        with meter.timing(Stage.READ):
            time.sleep(0.002)
    meter.retried("503", 2)
    meter.retried("reset", 0)


def scraped(port: int, job: str) -> Samples:
    """Of one job: by the name of a sample, its values by the values of its own labels in the order of their names."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    own = {tag for metric in METRICS for tag in metric.tags} | {"le"}
    found: Samples = defaultdict(lambda: defaultdict(float))
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.labels.get(metrics.BATCH_JOB) == job:
                label = "/".join(value for name, value in sorted(sample.labels.items()) if name in own)
                found[sample.name][label] += sample.value
    return {name: dict(values) for name, values in found.items()}


def arrived(port: int, job: str, expected: Samples) -> Samples:
    """What is there of the expected as soon as it is as expected, or at the latest after ARRIVED_S."""
    until = time.monotonic() + ARRIVED_S
    while True:
        found = scraped(port, job)
        known = {name: {label: found.get(name, {}).get(label, -1) for label in values} for name, values in expected.items()}
        if known == expected or time.monotonic() > until:
            return known
        time.sleep(0.25)


def test_all_arrive_where_prometheus_looks(ray_session: None):
    job = "job-of-this-test"
    meter, now = Meter(job), datetime.now(UTC)
    ray.get(work.remote(job))
    meter.published([now - timedelta(hours=2), None, now + timedelta(seconds=3), now - timedelta(days=400)], now)
    meter.standing(Standing(done=30, total=100, elapsed_s=15.0, per_s=2.0, left_s=35.0))
    meter.state(State.STOPPED)
    meter.drift(Drift({Quantity.GENRES: Shift(0.25, 0.1)}, {Quantity.GENRES: Shift(1.5, 0.1)}))
    (node,) = ray.nodes()
    expected: Samples = {
        "ray_genre_batch_tracks_total": {"labelled": 2, "unknown": 1, "silent": 1},
        "ray_genre_batch_audio_seconds_total": {"": 350.5},
        "ray_genre_batch_store_retries_total": {"503": 2},
        "ray_genre_batch_stage_seconds_count": {"read": 3},
        "ray_genre_batch_stage_seconds_bucket": {"0.001/read": 0, "+Inf/read": 3},
        "ray_genre_batch_lag_seconds_bucket": {"60.0": 1, "3600.0": 1, "14400.0": 2, "31536000.0": 2, "+Inf": 3},
        "ray_genre_batch_lag_seconds_count": {"": 3},
        "ray_genre_batch_remaining_tracks": {"": 70},
        "ray_genre_batch_forecast_seconds": {"": 35},
        "ray_genre_batch_run_state": {"running": 0, "finished": 0, "stopped": 1, "failed": 0},
        "ray_genre_batch_drift": {"bundle/genres": 1.5, "previous run/genres": 0.25},
    }
    assert arrived(node["MetricsExportPort"], job, expected) == expected
    assert {name for metric in METRICS for name in metric.exported} <= scraped(node["MetricsExportPort"], job).keys()


def fail_after(seconds: float, meter: Meter) -> None:
    with meter.timing(Stage.EXTRACT):
        time.sleep(seconds)
        raise KeyError("x")


def test_a_stage_that_fails_took_its_time_too(monkeypatch: pytest.MonkeyPatch):
    meter, observed = Meter("label-catalog"), []
    monkeypatch.setattr(meter._stages, "observe", lambda value, tags: observed.append((value, tags)))
    with pytest.raises(KeyError, match="x"):
        fail_after(0.01, meter)
    ((took, tags),) = observed
    assert 0.01 <= took < 5
    assert tags == {"stage": "extract"}


def test_a_forecast_that_nobody_can_give_is_not_given():
    Meter("label-catalog").standing(Standing(done=0, total=100, elapsed_s=1.0, per_s=None, left_s=None))


def test_a_track_costs_next_to_nothing():
    """A track takes at least some 30 milliseconds of work; its metrics take some 20 microseconds."""
    meter = Meter("label-catalog")
    meter.labelled("rock", 200.0)
    started = time.process_time()
    for _ in range(1000):
        meter.labelled("rock", 200.0)
        for stage in (Stage.READ, Stage.EXTRACT, Stage.SCORE):
            with meter.timing(stage):
                pass
    assert time.process_time() - started < 0.3


def test_names_say_their_units_once():
    assert len({metric.name for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.about.endswith(".")
        assert bool(metric.edges) == (metric.kind is Kind.HISTOGRAM)
        assert list(metric.edges) == sorted(set(metric.edges))
        assert not metric.name.endswith(("_total", "_count", "_sum", "_bucket")), "Prometheus adds these itself"
        # Prometheus gives these labels to all that it scrapes, and renames ours.
        assert not {"job", "instance"} & {*metric.tags, metrics.BATCH_JOB}
