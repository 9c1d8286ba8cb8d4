"""`tune-network`: what is drawn, and a search on real folds that is interrupted, goes on, and is asked for more."""

import csv
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st

from genre_batch.choices import Augmentation
from genre_batch.cluster import drawn, folds, search, segments, tally
from genre_batch.cluster.drawn import Draw, Halving
from genre_batch.cluster.folds import Held, Trial
from genre_batch.cluster.search import Asked
from genre_batch.errors import UsageError
from genre_batch.models import recipes
from genre_batch.models.recipe import Recipe
from genre_batch.taxonomy import Taxonomy
from tests import small_shards
from tests.running import Ended, job

Run = Callable[..., Ended]


OWN = Recipe()


def asked(trials: int, recipe: Recipe = OWN, seed: int = 0) -> Asked:
    return Asked(network="compact", recipe=recipe, trials=trials, n_folds=5, seed=seed)


def test_the_recipe_itself_comes_first_and_more_draws_do_not_change_the_first():
    base = Recipe(learning_rate=0.00123456, weight_decay=0.3, batch_size=24)
    few, many = search.drawn_values(asked(4, base)), search.drawn_values(asked(9, base))
    assert few[0] == {
        "learning_rate": 0.00123456,
        "weight_decay": 0.3,
        "label_smoothing": base.label_smoothing,
        "averaging": base.averaging,
        "batch_size": 24,
        "strength.mixup_alpha": base.strength.mixup_alpha,
        "strength.crop_share": base.strength.crop_share,
    }
    assert search.changed(base, few[0]) == base
    assert many[:4] == few
    assert len({draw["learning_rate"] for draw in many}) == 9
    assert search.drawn_values(asked(4, base, seed=1))[1:] != few[1:]


@given(st.integers(0, 2**32), st.floats(1e-5, 1e-2), st.integers(2, 64))
def test_draws_are_recipes_within_bounds(seed: int, rate: float, size: int):
    base = Recipe(learning_rate=rate, batch_size=size)
    values = search.drawn_values(asked(2, base, seed))[1]
    made = search.changed(base, values)
    # Rounded to three digits, a draw at a bound may pass it by half a percent.
    assert rate / 4 * 0.995 <= made.learning_rate <= rate * 4 * 1.005
    assert 0.001 <= made.weight_decay <= 1
    assert 0 <= made.label_smoothing <= 0.2
    assert made.averaging in (0, 0.98, 0.99, 0.995)
    assert made.batch_size in (max(2, size // 2), size, 2 * size)
    assert 0.1 <= made.strength.mixup_alpha <= 1
    assert 0.5 <= made.strength.crop_share <= 1
    assert values["learning_rate"] == float(f"{values['learning_rate']:.3g}")
    assert made.epochs == base.epochs


def test_rates_are_drawn_evenly_by_order_of_magnitude():
    decays = [draw["weight_decay"] for draw in search.drawn_values(asked(400))[1:]]
    shares = np.histogram(np.log10(decays), bins=[-3, -2, -1, 0])[0] / len(decays)
    assert np.abs(shares - 1 / 3).max() < 0.08


def test_nothing_is_drawn_for_what_is_switched_off():
    assert not [name for name in search.space(recipes.of("resnet34")) if name.startswith("strength.")]
    only_mixup = Recipe(augment=(Augmentation.MIXUP,))
    assert [name for name in search.space(only_mixup) if name.startswith("strength.")] == ["strength.mixup_alpha"]


@pytest.mark.parametrize(("trials", "n_folds"), [(0, 5), (3, 1)])
def test_a_search_needs_trials_and_folds(trials: int, n_folds: int):
    wanted = Asked(network="compact", recipe=Recipe(), trials=trials, n_folds=n_folds, seed=0)
    with pytest.raises(UsageError, match="at least one trial and two folds"):
        search.tune_network(shards_url="nowhere", out="nowhere", asked=wanted)


@pytest.fixture(scope="module")
def shards(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> str:
    return small_shards.whole(str(tmp_path_factory.mktemp("search") / "shards")).url


@pytest.fixture
def run(shards: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    given = ("--shards", shards, "--out", str(tmp_path), "--epochs", "1")
    return lambda *more: job(capfd, "tune-network", *given, *more)


def test_a_search_that_was_interrupted_goes_on_and_is_asked_for_more(run: Run, shards: str, tmp_path: Path) -> None:
    first = run("--trials", "4")
    assert first.code == 0, first.err
    assert "Best by log-likelihood of 4 draws" in first.out
    rows = table(tmp_path)
    assert [row["draw"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["folds"] == "5", "what others are compared with does all folds"
    whole = [row for row in rows if row["folds"] == "5"]
    best = max(whole, key=lambda row: float(row["log_likelihood"]))
    assert f"Draw {best['draw']}: learning_rate {float(best['learning_rate']):g}" in first.out
    recipe = recipes.read(str(tmp_path / "best.toml"), recipes.of("compact"))
    assert (recipe.epochs, recipe.learning_rate) == (1, float(best["learning_rate"]))
    assert recipe.batch_size == int(best["batch_size"])
    assert recipe.strength.crop_share == float(best["strength.crop_share"])
    # A stopped draw has stored the folds that it did, and no more.
    files = outcomes(tmp_path)
    assert sum(name.endswith(".parquet") for name in files) == sum(int(row["folds"]) for row in rows)

    # As if it had been killed while it trained the last fold of draw 0, before the fourth was told of.
    draw = own(shards, tmp_path)
    standing = json.loads(Path(draw.uri).read_text())
    assert (standing["figures"]["folds"], standing["finished"]) == (5, True)
    Path(draw.uri).write_text(json.dumps({"figures": {}, "seconds": standing["seconds"][:3], "finished": False}))
    Path(draw.held[4].uri).unlink()
    kept = {name: at for name, at in outcomes(tmp_path).items() if name.endswith(".parquet")}
    second = run("--trials", "4")
    assert second.code == 0, second.err
    assert "going on: 3 of 4 draws are finished" in second.err
    now = outcomes(tmp_path)
    assert {name: now[name] for name in kept} == kept, "a fold was trained twice"
    assert now.keys() == files.keys()
    assert [without_time(row) for row in table(tmp_path)] == [without_time(row) for row in rows]

    third = run("--trials", "5")
    assert "going on: 4 of 5 draws are finished" in third.err
    assert [without_time(row) for row in table(tmp_path)][:4] == [without_time(row) for row in rows]
    again = run("--trials", "5")
    assert "going on: 5 of 5 draws are finished" in again.err
    # Ray may warn in between.
    told = [[line for line in ended.out.splitlines() if "(raylet)" not in line] for ended in (third, again)]
    assert told[0] == told[1]


Decide = Callable[[int, int, float], str]


def halving(place: Path, n_draws: int, counted: object = None) -> tuple[Decide, Callable[[], list[int]]]:
    """The scheduler asked of a draw, its folds and its log-likelihood; and the draws that it has finished."""
    held = [[Held(None, k, [], [], str(place / f"{n}-{k}.parquet")) for k in range(5)] for n in range(n_draws)]
    tried = [Draw(n, {}, each) for n, each in enumerate(held)]
    for draw in tried:
        Path(draw.uri).write_text(json.dumps({"figures": {}, "seconds": [1.0], "finished": False}))
    scheduler = Halving(tried, counted or ray.remote(num_cpus=0)(tally.Tally).remote())
    trials = [SimpleNamespace(trial_id=str(n), config={"number": n}) for n in range(n_draws)]
    for trial in trials:
        scheduler.on_trial_add(None, trial)

    def decided(number: int, n_folds: int, log_likelihood: float) -> str:
        return scheduler.on_trial_result(None, trials[number], {"folds": n_folds, "log_likelihood": log_likelihood})

    def finished() -> list[int]:
        return [draw.number for draw in tried if json.loads(Path(draw.uri).read_text())["finished"]]

    return decided, finished


def test_a_draw_behind_the_median_is_stopped_and_the_recipe_itself_never(ray_session: None, tmp_path: Path) -> None:
    counted = ray.remote(num_cpus=0)(tally.Tally).remote()
    decided, finished = halving(tmp_path, 4, counted)
    assert decided(1, 1, -1.0) == "CONTINUE"
    assert decided(2, 1, -2.0) == "STOP"
    assert decided(0, 1, -9.0) == "CONTINUE"
    assert decided(3, 1, -0.5) == "CONTINUE"
    assert finished() == [2]
    assert tally.progress(counted) == (4, "4 spared")
    # After three folds nobody is compared; after four they are again.
    assert (decided(3, 2, -0.5), decided(1, 2, -0.4)) == ("CONTINUE", "CONTINUE")
    assert (decided(3, 3, -9.0), decided(3, 4, -0.5), decided(1, 4, -0.6)) == ("CONTINUE", "CONTINUE", "STOP")
    assert finished() == [1, 2]
    assert decided(0, 5, -9.0) == "CONTINUE"


def test_a_draw_that_diverged_is_the_worst_whoever_it_is(ray_session: None, tmp_path: Path) -> None:
    """It is stopped at once, the recipe itself too, and what diverged is not trained again."""
    small, place = small_shards.whole(str(tmp_path / "shards")), str(tmp_path)
    tried = []
    for number, rate in enumerate((1e30, 3e-3, 2e30)):
        recipe = Recipe(epochs=1, batch_size=4, learning_rate=rate)
        trial = Trial(network="timbre", recipe=recipe, seed=0, n_folds=2)
        tried.append(Draw(number, {"learning_rate": rate}, folds.planned(small, trial, place)))
    rows = drawn.try_all(small, tried, place)
    assert [(drawn.diverged(row), row["folds"]) for row in rows] == [(True, 1), (False, 2), (True, 1)]
    assert len(list(tmp_path.glob("folds/*.parquet"))) == 2

    # As if it had been killed before the scheduler heard of it.
    standing = json.loads(Path(tried[0].uri).read_text())
    assert standing["finished"]
    Path(tried[0].uri).write_text(json.dumps(standing | {"finished": False}))
    again = drawn.try_all(small, tried, place)
    assert json.dumps(again) == json.dumps(rows), "seconds too"
    assert json.loads(Path(tried[0].uri).read_text())["finished"]

    wanted = dataclasses.replace(asked(3), network="timbre", n_folds=2)
    tuned = search.chosen(rows, tried, Taxonomy(small_shards.GENRES), wanted)
    assert (tuned.best, tuned.own, tuned.by_luck) == (rows[1], rows[0], 0.0)
    said = search.told(tuned, wanted)
    assert said[0].endswith("0 were stopped early, 2 diverged.")
    assert said[2].endswith("; the own recipe: diverged.")
    assert "expect less on others" in said[3]


@pytest.mark.parametrize(
    ("done", "message"),
    [
        ([(1, -np.inf), (2, -np.inf)], r"^all 2 draws diverged: search about a recipe with a learning_rate below 0\.003 "),
        ([(5, -np.inf), (1, -1.0)], "^1 of 2 draws diverged, and no other did all folds: search about"),
    ],
)
def test_a_search_without_a_best_says_so(done: list[tuple[int, float]], message: str) -> None:
    rows = [{"draw": n, "folds": folds, "log_likelihood": worth} for n, (folds, worth) in enumerate(done)]
    with pytest.raises(UsageError, match=message):
        search.chosen(rows, [], Taxonomy(("a", "b")), asked(2))


def test_the_scheduler_is_told_of_a_draw_that_diverged_as_of_the_worst(ray_session: None, tmp_path: Path) -> None:
    decided, finished = halving(tmp_path, 4)
    assert [decided(0, 1, drawn.WORST), decided(1, 1, drawn.WORST)] == ["STOP", "STOP"], "the recipe itself too"
    assert decided(2, 1, -1.0) == "CONTINUE"
    assert decided(3, 1, -2.0) == "CONTINUE", "better than the median of those before it"
    assert finished() == [0, 1]


def test_folds_can_be_trained_alone_and_together(shards: str, tmp_path: Path) -> None:
    """One fold of five is judged on its own tracks alone, and is not trained again when all are wanted."""
    opened = segments.open_shards(shards)
    trial = Trial(network="compact", recipe=Recipe(epochs=1), seed=3)
    held = folds.planned(opened, trial, str(tmp_path))
    assert sorted(name for each in held for name in each.test) == sorted(opened.tracks["track_id"].to_pylist())
    assert all(not set(each.train) & set(each.test) for each in held)
    (one,) = folds.cross_validate(opened, [trial], str(tmp_path), only=[1])
    assert set(one["track_id"].to_pylist()) == set(held[1].test)
    before = outcomes(tmp_path)
    assert len(before) == 1
    (every,) = folds.cross_validate(opened, [trial], str(tmp_path))
    assert set(every["track_id"].to_pylist()) == set(opened.tracks["track_id"].to_pylist())
    assert {name: at for name, at in outcomes(tmp_path).items() if name in before} == before


def table(place: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((place / "trials.csv").open()))


def without_time(row: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in row.items() if name != "seconds"}


def outcomes(place: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in (place / "folds").iterdir()}


def own(shards: str, place: Path) -> Draw:
    """Draw 0 of the searches above, which does all folds."""
    trial = Trial(network="compact", recipe=dataclasses.replace(recipes.of("compact"), epochs=1), seed=0)
    return Draw(0, {}, folds.planned(segments.open_shards(shards), trial, str(place)))
