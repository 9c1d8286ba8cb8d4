"""What is trained anew for each fold: a bundle's networks as they were made, or one network by name."""

from pathlib import Path

import pytest

from genre_batch.cluster.cross import Making
from genre_batch.cluster.folds import Trial
from genre_batch.errors import UsageError
from genre_batch.models import join
from genre_batch.models.bundle import ONNX, SKOPS, WEIGHTS, Member
from genre_batch.models.recipe import Recipe
from tests.sample_bundle import sample

SHORT = Recipe(epochs=3)
NETWORK = {ONNX: b"network", WEIGHTS: b"weights"}


def made(folder: Path, *seeds: int, joined: join.Join | None = None, members: list[Member] | None = None) -> str:
    """A bundle of as many networks as there are seeds."""
    provenance = {
        "options": {"split": "artist"},
        "split_digest": "0123",
        "seed": 3,
        "shards": "s3://music/shards",
        "shards_version": 7,
    }
    provenance["members"] = [{"network": "compact", "recipe": SHORT.to_dict(), "seed": seed} for seed in seeds]
    networks = members or [Member("compact", ("spectrograms",), NETWORK) for _ in seeds]
    sample(members=networks, join=joined, provenance=provenance).write(str(folder / "bundle"))
    return str(folder / "bundle")


def seeds_of(making: Making, n: int) -> list[list[int]]:
    return [[trial.seed for trial in repeat] for repeat in making.repeats(n)]


def test_a_network_by_name():
    making = Making.of_network("compact", SHORT, 4)
    assert making.trials == [Trial(network="compact", recipe=SHORT, seed=0, n_folds=4)]
    assert (making.name, making.stacking, making.bundle_id) == ("compact", False, None)
    assert seeds_of(making, 3) == [[0], [1], [2]]


def test_the_network_of_a_bundle(tmp_path: Path):
    making = Making.of_bundle(made(tmp_path, 7), 5)
    assert making.trials == [Trial(network="compact", recipe=SHORT, seed=7, n_folds=5)]
    assert len(making.bundle_id or "") == 16
    assert seeds_of(making, 2) == [[7], [8]]


@pytest.mark.parametrize("stacking", [False, True])
def test_networks_that_are_joined(tmp_path: Path, stacking: bool):
    """No repeat trains what another has trained."""
    even = join.mean(3, 2)
    joined = join.Join("stacking", even.weights, even.bias) if stacking else even
    making = Making.of_bundle(made(tmp_path, 0, 1, 2, joined=joined), 3)
    assert making.stacking is stacking
    assert seeds_of(making, 2) == [[0, 1, 2], [3, 4, 5]]


def test_ensembles_of_ensembles_whose_networks_do_not_count_the_same(tmp_path: Path):
    """Of a pair and a lone network; of two pairs they do count the same."""
    pair = join.mean(2, 2)
    with pytest.raises(
        UsageError, match="joined of ensembles, so that its networks do not count the same, and --folds would judge"
    ):
        Making.of_bundle(made(tmp_path, 0, 1, 2, joined=pair.over([pair, None])), 3)
    assert len(Making.of_bundle(made(tmp_path, 0, 1, 2, 3, joined=pair.over([pair, pair])), 3).trials) == 4


def test_too_few_folds_to_stack_on_are_refused_before_anything_is_trained(tmp_path: Path):
    stacked = join.Join("stacking", join.mean(2, 2).weights, (0.0, 0.0))
    with pytest.raises(UsageError, match="bundle is stacked, and --folds 2 is too few: take at least 3"):
        Making.of_bundle(made(tmp_path, 0, 1, joined=stacked), 2)


def test_baselines_are_not_trained_anew(tmp_path: Path):
    members = [Member("compact", ("spectrograms",), NETWORK), Member("svm", ("descriptors",), {SKOPS: b"baseline"})]
    url = made(tmp_path, 0, joined=join.mean(2, 2), members=members)
    with pytest.raises(
        UsageError, match="holds the baseline 'svm', which --folds cannot train anew: tune-baselines cross-validates"
    ):
        Making.of_bundle(url, 5)


def test_a_bundle_that_does_not_say_how_it_was_made(tmp_path: Path):
    with pytest.raises(UsageError, match="does not say how its networks were trained: name one with --network"):
        Making.of_bundle(made(tmp_path, members=[Member("compact", ("spectrograms",), NETWORK)]), 5)
