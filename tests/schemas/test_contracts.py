"""What readers are promised holds for every row, or the rows are refused with a sentence that says why."""

import subprocess
import sys
from types import ModuleType

import pyarrow as pa
import pytest

from schemas import inventory, labels, rejects, runs, segments, shards, trials
from schemas.contract import MAX_CASES, ContractError
from tests import rows
from tests.rows import WHEN, Row, label, reject, run, segment, shard, table, trial

GOOD: dict[ModuleType, list[Row]] = {
    labels: [
        label("a"),
        label(
            "b",
            runner_up=None,
            genre="unknown",
            probabilities=[("rock", 1.0)],
            confidence=1.0,
            loudness_db=None,
            deleted_at=WHEN,
        ),
    ],
    rejects: [reject("a"), reject("b", bundle_id=None, detail="", deleted_at=WHEN)],
    runs: [
        run(
            "r1",
            state="running",
            done=1,
            remaining=2,
            genres=[("rock", 1)],
            loudness=[0] * 11,
            drift=[("genres, previous run", 0.1)],
        ),
        run("r2", listed=0, done=0, rejected=0, unchanged=0, not_audio=0, audio_s=0.0, bundle_id=None),
    ],
    segments: [segment("a", 0), segment("a", 2), segment("b", 0, probabilities=[("rock", 1.0)], confidence=1.0)],
    shards: [shard("a", 0), shard("a", 1, descriptors=[0.5] * 57), shard("b", 0, artist=None, spectrogram=None)],
    trials: [trial("r1"), trial("r2", std=0.0, n=1, n_tracks=1, segment_accuracy=1.0)],
}
CONTRACTS = pytest.mark.parametrize("contract", GOOD, ids=lambda contract: contract.NAME)

FOUND = ("genres", "reasons", "confidence", "duration", "loudness")
"""What a run tells of what it found."""

NAN, INFINITE = float("nan"), float("inf")


def good(contract: ModuleType) -> pa.Table:
    return table(contract, *GOOD[contract])


@CONTRACTS
def test_good_rows_are_good(contract: ModuleType):
    contract.validate(good(contract))


@CONTRACTS
def test_rows_in_several_chunks_and_no_rows_are_good(contract: ModuleType):
    rows = good(contract)
    contract.validate(pa.concat_tables([rows.slice(1), rows.slice(0, 1)]))
    contract.validate(rows.slice(1))
    contract.validate(contract.ARROW.empty_table())


@CONTRACTS
def test_a_missing_an_extra_and_a_renamed_column_are_refused(contract: ModuleType):
    rows, last = good(contract), contract.ARROW.field(-1)
    with pytest.raises(ContractError, match=rf"table {contract.NAME}: columns differ: missing \['{last.name}: "):
        contract.validate(rows.drop_columns(last.name))
    with pytest.raises(ContractError, match=r"missing \[\], not expected \['mood: int64'\]"):
        contract.validate(rows.append_column("mood", pa.array(range(rows.num_rows))))
    with pytest.raises(ContractError, match=rf"missing \['{last.name}: .*not expected \['other: "):
        contract.validate(rows.rename_columns([*contract.ARROW.names[:-1], "other"]))


@CONTRACTS
def test_another_order_of_columns_is_refused(contract: ModuleType):
    with pytest.raises(ContractError, match=r"columns differ: order \['"):
        contract.validate(good(contract).select(contract.ARROW.names[::-1]))


@CONTRACTS
def test_a_column_that_may_hold_nulls_is_another_column(contract: ModuleType):
    key = contract.KEY[0]
    place = contract.ARROW.get_field_index(key)
    loose = good(contract).cast(contract.ARROW.set(place, contract.ARROW.field(key).with_nullable(True)))
    with pytest.raises(ContractError, match=rf"missing \['{key}: string not null'\], not expected \['{key}: string'\]"):
        contract.validate(loose)


@CONTRACTS
def test_another_type_is_refused(contract: ModuleType):
    key = contract.KEY[0]
    place = contract.ARROW.get_field_index(key)
    wide = good(contract).cast(contract.ARROW.set(place, pa.field(key, pa.large_string(), nullable=False)))
    with pytest.raises(ContractError, match="large_string"):
        contract.validate(wide)


def nullable(contract: ModuleType, column: str) -> bool:
    return bool(contract.ARROW.field(column).nullable)


@pytest.mark.parametrize(
    ("contract", "column"),
    [(contract, name) for contract in GOOD for name in contract.ARROW.names],
    ids=lambda value: value if isinstance(value, str) else value.NAME,
)
def test_nulls_stand_only_where_they_may(contract: ModuleType, column: str):
    rows = pa.Table.from_pylist([GOOD[contract][0], GOOD[contract][1] | {column: None}], contract.ARROW)
    if nullable(contract, column):
        contract.validate(rows)
    else:
        with pytest.raises(ContractError, match=f"table {contract.NAME}: column {column} has 1 nulls"):
            contract.validate(rows)


@pytest.mark.parametrize(
    ("contract", "names"),
    [
        (labels, {"runner_up", "loudness_db", "deleted_at"}),
        (rejects, {"bundle_id", "deleted_at"}),
        (runs, {"bundle_id", "parameters", "tracks_per_s", *FOUND, "drift", "drift_level"}),
        (segments, set()),
        (shards, {"artist", "spectrogram", "descriptors"}),
        (trials, set()),
        (inventory, {"genre", "artist", "size", "modified_at", "etag"}),
    ],
    ids=lambda value: value.NAME if isinstance(value, ModuleType) else "",
)
def test_few_columns_may_hold_nulls(contract: ModuleType, names: set[str]):
    assert {name for name in contract.ARROW.names if nullable(contract, name)} == names


@pytest.mark.parametrize(
    ("contract", "key"),
    [
        (labels, ["track_id"]),
        (rejects, ["track_id"]),
        (runs, ["run_id"]),
        (segments, ["track_id", "segment"]),
        (shards, ["track_id", "segment"]),
        (trials, ["run_id", "profile", "protocol", "model", "map"]),
    ],
    ids=lambda value: value.NAME if isinstance(value, ModuleType) else "",
)
def test_a_key_stands_once(contract: ModuleType, key: list[str]):
    assert key == contract.KEY
    twice = table(contract, GOOD[contract][0], GOOD[contract][0])
    with pytest.raises(ContractError, match=f"table {contract.NAME}: key {', '.join(key)} is not unique"):
        contract.validate(twice)


SHARES = "probabilities that do not lie in 0..1 and sum to 1"


@pytest.mark.parametrize(
    ("contract", "row", "said"),
    [
        (labels, label("b", confidence=1.01), r"confidence: in_range\(0, 1\) fails for 1\.01"),
        (labels, label("b", confidence=-0.01), "confidence: "),
        (labels, label("b", confidence=NAN), "confidence: .*fails for nan"),
        (labels, label("b", genre=""), "genre: str_length"),
        (labels, label(""), "track_id: str_length"),
        (labels, label("b", segments_used=0), "segments_used: "),
        (labels, label("b", duration_s=0.0), "duration_s: "),
        (labels, label("b", duration_s=NAN), "duration_s: "),
        (labels, label("b", probabilities=[]), SHARES),
        (labels, label("b", probabilities=[("jazz", 0.25), ("rock", 0.748)]), SHARES),
        (labels, label("b", probabilities=[("jazz", 0.252), ("rock", 0.75)]), SHARES),
        (labels, label("b", probabilities=[("jazz", -0.1), ("rock", 1.1)]), SHARES),
        (labels, label("b", probabilities=[("jazz", NAN), ("rock", 1.0)]), SHARES),
        (labels, label("b", probabilities=[("jazz", None), ("rock", 1.0)]), SHARES),
        (labels, label("b", probabilities=[("jazz", INFINITE), ("rock", -INFINITE)]), SHARES),
        (rejects, reject("b", stage="dreaming"), "stage: isin.*fails for dreaming"),
        (rejects, reject("b", reason="bad mood"), "reason: isin.*fails for bad mood"),
        (rejects, reject(""), "track_id: str_length"),
        (runs, run("b", listed=7), r"listed is not done \+ rejected \+ unchanged"),
        (runs, run("b", unchanged=0), r"listed is not done \+ rejected \+ unchanged"),
        (runs, run("b", remaining=1), r"listed is not done \+ rejected \+ unchanged \+ remaining"),
        (runs, run("b", done=-3, rejected=8), "done: "),
        (runs, run("b", remaining=-3, done=6), "remaining: "),
        (runs, run("b", deleted=-1), "deleted: "),
        (runs, run("b", returned=-1), "returned: "),
        (runs, run("b", state="asleep"), "state: isin.*fails for asleep"),
        (runs, run("b", not_audio=-1), "not_audio: "),
        (runs, run("b", audio_s=-0.5), "audio_s: "),
        (runs, run("b", audio_s=NAN), "audio_s: "),
        (segments, segment("b", -1), "segment: "),
        (segments, segment("b", start_s=-1.0), "start_s: "),
        (segments, segment("b", confidence=1.01), "confidence: "),
        (segments, segment(""), "track_id: "),
        (segments, segment("b", probabilities=[("jazz", 0.25), ("rock", 0.748)]), SHARES),
        (segments, segment("b", probabilities=[]), SHARES),
        (shards, shard("b", -1), "segment: "),
        (shards, shard("b", start_s=-5.0), "start_s: "),
        (shards, shard("b", duration_s=0.0), "duration_s: "),
        (shards, shard("b", genre=""), "genre: "),
        (shards, shard(""), "track_id: "),
        (shards, shard("b", descriptors=[0.5] * 56), "descriptors that are not 57"),
        (shards, shard("b", descriptors=[]), "descriptors that are not 57"),
        (shards, shard("b", descriptors=[0.5] * 56 + [NAN]), "descriptors that are not finite"),
        (shards, shard("b", descriptors=[0.5] * 56 + [-INFINITE]), "descriptors that are not finite"),
        (shards, shard("b", descriptors=[0.5] * 56 + [None]), "descriptors that are not finite"),
        (trials, trial("b", segment_accuracy=1.1), "segment_accuracy: "),
        (trials, trial("b", ci_low=-0.1), "ci_low: "),
        (trials, trial("b", macro_f1=NAN), "macro_f1: "),
        (trials, trial("b", std=-0.1), "std: "),
        (trials, trial("b", n=0), "n: "),
    ],
)
def test_a_bad_row_among_good_ones_is_refused(contract: ModuleType, row: Row, said: str):
    with pytest.raises(ContractError, match=f"table {contract.NAME}: .*{said}"):
        contract.validate(table(contract, GOOD[contract][0], row))


def test_probabilities_may_miss_one_by_what_rounding_costs():
    labels.validate(table(labels, label(probabilities=[("jazz", 0.2505), ("rock", 0.75)])))
    labels.validate(table(labels, label(probabilities=[("jazz", 0.2495), ("rock", 0.75)])))


def test_a_few_cases_are_named():
    bad = table(labels, *(label(f"{i}", confidence=float(i)) for i in range(2, 12)))
    with pytest.raises(ContractError) as caught:
        labels.validate(bad)
    assert str(caught.value).count("fails for") == MAX_CASES


@pytest.mark.parametrize("column", ["stage", "reason"])
def test_every_code_is_allowed(column: str):
    codes = list({"stage": rejects.Stage, "reason": rejects.Reason}[column])
    rejects.validate(table(rejects, *(reject(f"{i}", **{column: code.value}) for i, code in enumerate(codes))))


def test_every_state_of_a_run_is_allowed():
    runs.validate(table(runs, *(run(f"{state}", state=state.value) for state in runs.State)))


def test_codes_stay_what_they_are():
    assert [*rejects.Stage] == ["list", "read", "decode", "segment", "work"]
    assert {*rejects.Reason} == {
        *("no_genre", "missing", "forbidden", "too_large", "empty", "undecodable", "not_finite"),
        *("too_long", "too_short", "silent", "too_slow", "crashed"),
    }
    assert [*runs.State] == ["running", "finished", "stopped", "failed"]


def test_the_edges_of_histograms_stay_where_they_are():
    """The rows of earlier runs were counted with them."""
    assert runs.CONFIDENCE_EDGES == (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
    assert runs.DURATION_EDGES_S == (15, 30, 60, 120, 180, 240, 300, 420, 600, 1800)
    assert runs.LOUDNESS_EDGES_DB == (-60, -50, -40, -35, -30, -25, -20, -15, -10, -5)


def test_reading_a_schema_needs_little():
    code = """
import sys
from schemas import descriptors, inventory, labels, rejects, runs, segments, shards, trials
print(sorted({name.split(".")[0] for name in sys.modules} & {"pandera", "pandas", "genre_batch", "jobs", "torch", "ray"}))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_rows_of_these_tests_have_every_column():
    for contract, row in (
        (labels, label()),
        (rejects, reject()),
        (segments, segment()),
        (shards, shard()),
        (trials, trial()),
        (inventory, rows.listed()),
    ):
        assert list(row) == contract.ARROW.names
    assert {*run()} <= {*runs.ARROW.names}
