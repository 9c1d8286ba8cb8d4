"""The Grafana dashboard: what it asks for is what cluster/metrics records, in PromQL that parses, on panels that fit side by side."""

import itertools
import json
import re
from typing import Any

import promql_parser
import pytest

from genre_batch.cluster.metrics import BATCH_JOB, METRICS, Kind, Metric, Stage
from genre_batch.evaluation.drift import ALARM_AT, WATCH_AT
from tests.conftest import ROOT

DASHBOARD = json.loads((ROOT / "infra" / "grafana" / "genre-batch.json").read_text())
PANELS = DASHBOARD["panels"]
TARGETS = [target for panel in PANELS for target in panel["targets"]]
EXPORTED: dict[str, Metric] = {name: metric for metric in METRICS for name in metric.exported}
COLUMNS = 24
"""Of Grafana's grid."""
ONCE_KNOWN = {"$__rate_interval": "1m", "$__range": "1d", "$batch_job": "label-catalog"}
"""What Grafana puts in place of its variables."""


def parsed(expression: str) -> promql_parser.Expr:
    for variable, value in ONCE_KNOWN.items():
        expression = expression.replace(variable, value)
    return promql_parser.parse(expression)


def parts(expression: str, kind: type) -> list[Any]:
    found: list[Any] = []
    promql_parser.walk(parsed(expression), lambda part: found.append(part) if isinstance(part, kind) else None)
    return found


def selected(expression: str) -> list[promql_parser.VectorSelector]:
    return parts(expression, promql_parser.VectorSelector)


def test_the_parser_knows_what_is_no_promql():
    with pytest.raises(ValueError, match="parenthesis"):
        parsed("sum(rate(ray_genre_batch_tracks_total[$__rate_interval])")


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"][:60])
def test_a_query_asks_for_metrics_and_labels_that_there_are(target: dict[str, Any]):
    selectors = selected(target["expr"])
    assert selectors
    known = {BATCH_JOB, "le"}
    for selector in selectors:
        metric = EXPORTED[selector.name]
        known |= set(metric.tags)
        matched = {matcher.name: matcher.value for matcher in selector.matchers.matchers}
        assert matched.keys() <= {BATCH_JOB, *metric.tags}
        assert matched[BATCH_JOB] == ONCE_KNOWN["$batch_job"], "the chosen jobs only"
    grouped = {
        label for each in parts(target["expr"], promql_parser.AggregateExpr) if each.modifier for label in each.modifier.labels
    }
    shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
    assert grouped <= known
    assert shown <= grouped, "what a legend names must be there after the aggregation"


def test_every_metric_is_on_the_dashboard():
    asked = {EXPORTED[selector.name] for target in TARGETS for selector in selected(target["expr"])}
    assert asked == set(METRICS)


def test_counters_are_rated_and_gauges_are_not():
    """A counter as it stands says when its process began, and the rate of a gauge says nothing."""
    for target in TARGETS:
        rated = {
            part.args[0].vector_selector.name
            for part in parts(target["expr"], promql_parser.Call)
            if part.func.name in ("rate", "increase")
        }
        for selector in selected(target["expr"]):
            assert (selector.name in rated) == (EXPORTED[selector.name].kind is not Kind.GAUGE)


def test_no_mean_is_taken_of_a_histogram():
    """Ray estimates its sum from its bins."""
    assert not [selector.name for target in TARGETS for selector in selected(target["expr"]) if selector.name.endswith("_sum")]


def test_quantiles_keep_the_bins_apart():
    quantiles = [
        part for target in TARGETS for part in parts(target["expr"], promql_parser.Call) if "quantile" in part.func.name
    ]
    assert len(quantiles) == 4
    for part in quantiles:
        assert part.args[1].modifier.labels[0] == "le"
        assert part.args[0].val in (0.5, 0.95)


def test_rejects_are_what_is_no_label():
    """The filter for rejects leaves out all other outcomes."""
    from genre_batch.cluster.metrics import DONE, LABELLED
    from genre_batch.taxonomy import UNKNOWN
    from schemas.rejects import Reason

    filters = {
        matcher.value
        for target in TARGETS
        for s in selected(target["expr"])
        for matcher in s.matchers.matchers
        if matcher.name == "outcome"
    }
    (pattern,) = filters
    assert all(re.fullmatch(pattern, outcome) for outcome in (LABELLED, DONE, UNKNOWN))
    assert not any(re.fullmatch(pattern, reason) for reason in Reason)


def test_what_grafana_needs():
    assert DASHBOARD["schemaVersion"] >= 36, "older ones name data sources by text"
    assert "id" not in DASHBOARD, "that is another on each server"
    assert DASHBOARD["title"]
    assert re.fullmatch(r"[\w-]{1,40}", DASHBOARD["uid"])
    for panel in PANELS:
        assert {
            "id",
            "type",
            "title",
            "description",
            "datasource",
            "gridPos",
            "fieldConfig",
            "options",
            "targets",
        } <= panel.keys()
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters)
    for names in ([panel["id"] for panel in PANELS], [panel["title"] for panel in PANELS]):
        assert len(set(names)) == len(names)


def test_no_data_source_is_wired_in():
    (source,) = (variable for variable in DASHBOARD["templating"]["list"] if variable["type"] == "datasource")
    assert source["query"] == "prometheus"
    chosen = {"type": "prometheus", "uid": f"${{{source['name']}}}"}
    asking = [*PANELS, *TARGETS, *(each for each in DASHBOARD["templating"]["list"] if each["type"] == "query")]
    assert all(each["datasource"] == chosen for each in asking)
    assert "__inputs" not in DASHBOARD


def test_jobs_to_choose_from_are_those_that_there_are():
    (jobs,) = (variable for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query")
    assert jobs["name"] == BATCH_JOB
    metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", jobs["query"]["query"]).groups()
    assert metric in EXPORTED
    assert label == BATCH_JOB


def test_panels_lie_side_by_side():
    places = [panel["gridPos"] for panel in PANELS]
    assert all(place["x"] >= 0 and place["x"] + place["w"] <= COLUMNS and place["h"] > 0 for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above
    assert sum(place["w"] * place["h"] for place in places) == COLUMNS * max(place["y"] + place["h"] for place in places), (
        "no holes"
    )


def test_the_lines_of_drift_are_those_of_the_levels():
    (panel,) = (panel for panel in PANELS if panel["title"] == "Drift")
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    assert [step["value"] for step in steps] == [None, WATCH_AT, ALARM_AT]


def test_stages_are_told_as_they_are():
    (panel,) = (panel for panel in PANELS if panel["title"] == "Seconds a stage")
    assert all(stage in panel["description"] for stage in Stage)
