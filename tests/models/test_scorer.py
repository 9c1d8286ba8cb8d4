"""Scoring segment by segment: with a state that is carried, with several members, and with no torch where none is needed."""

import numpy as np
import onnx
import pytest
import torch
from scipy.special import log_softmax

from genre_batch.models import export, join, networks, scorer
from genre_batch.models.baselines import grids, select, serve
from genre_batch.models.bundle import Bundle, Member, Served, ServedMember
from genre_batch.models.network import Network
from genre_batch.models.scorer import BATCH, JointScorer, OnnxScorer
from genre_batch.signal import statistics
from tests.sample_bundle import SMALL, sample

SHAPE = ROWS, COLUMNS = SMALL.spectrogram_shape
N_GENRES = 2


def pictures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, ROWS, COLUMNS), np.uint8)


def described(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 57))


def built(name: str) -> Network:
    torch.manual_seed(0)
    network = networks.build(name, SHAPE, N_GENRES).train()
    for seed in range(2):
        network(torch.from_numpy(pictures(8, seed)), torch.from_numpy(described(8, seed)).float(), torch.tensor([8]))
    return network.eval()


@pytest.fixture(scope="module")
def compact() -> Member:
    return export.member(built("compact"), "compact", SHAPE)


@pytest.fixture(scope="module")
def crnn() -> Member:
    return export.member(built("crnn-fusion"), "crnn-fusion", SHAPE)


def baseline(inputs: str = "statistics") -> Member:
    n = 60
    y = np.arange(n) % N_GENRES
    x = statistics.describe(pictures(n)) if inputs == "statistics" else described(n)
    x[:, 0] += 300 * y
    fitted = select.fit(grids.pipeline("sound", "logistic_regression", "none", n_rows=n, seed=0), {}, x, y)
    return Member("logistic_regression", (inputs,), {"model.skops": serve.dump(fitted)})


@pytest.mark.parametrize("pieces", [(9,), (1,) * 9, (4, 5), (8, 1)])
def test_in_pieces_as_at_once(crnn: Member, pieces: tuple[int, ...]):
    one = OnnxScorer(crnn.served.data)
    cuts = np.cumsum(pieces)[:-1]
    told, state = [], None
    for x, d in zip(np.split(pictures(9), cuts), np.split(described(9), cuts), strict=True):
        logits, state = one.advance(x, d, state)
        told.append(logits)
    np.testing.assert_allclose(np.concatenate(told), one(pictures(9), described(9)), rtol=0, atol=1e-5)
    assert state is not None
    assert state.shape == (1, 64)


def test_a_state_is_carried_from_batch_to_batch():
    network = built("crnn")
    one = OnnxScorer(export.to_onnx(network, SHAPE))
    for n in (1, BATCH, BATCH + 1, 2 * BATCH + 2):
        with torch.no_grad():
            expected = network(torch.from_numpy(pictures(n)), None, torch.tensor([n])).numpy()
        np.testing.assert_allclose(one(pictures(n)), expected, rtol=0, atol=1e-5)


def test_a_file_that_takes_one_segment_at_a_time_is_given_one(crnn: Member):
    """As recurrent networks were exported once."""
    model = onnx.load_from_string(crnn.served.data)
    for each in [model.graph.input[0], model.graph.input[1], model.graph.output[0]]:
        each.type.tensor_type.shape.dim[0].dim_value = 1
    fixed = OnnxScorer(model.SerializeToString())
    assert fixed.inputs["spectrograms"].shape[0] == 1
    found = fixed(pictures(5), described(5))
    np.testing.assert_allclose(found, OnnxScorer(crnn.served.data)(pictures(5), described(5)), rtol=0, atol=1e-5)


def test_a_track_begins_with_an_empty_state(crnn: Member):
    one = OnnxScorer(crnn.served.data)
    first = one(pictures(3), described(3))
    one(pictures(5, seed=1), described(5, seed=1))
    np.testing.assert_array_equal(one(pictures(3), described(3)), first)
    logits, _ = one.advance(pictures(3), described(3), np.zeros((1, 64), np.float32))
    np.testing.assert_array_equal(logits, first)


def test_a_network_without_a_state_gives_none(compact: Member):
    logits, state = OnnxScorer(compact.served.data).advance(pictures(2), None, None)
    assert logits.shape == (2, N_GENRES)
    assert state is None


@pytest.mark.parametrize("n", [1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 2])
def test_batches_do_not_show(compact: Member, n: int):
    one = OnnxScorer(compact.served.data)
    alone = np.concatenate([one(pictures(n)[i : i + 1]) for i in (0, n // 2, n - 1)])
    found = one(pictures(n))
    assert found.shape == (n, N_GENRES)
    np.testing.assert_allclose(found[[0, n // 2, n - 1]], alone, rtol=0, atol=1e-5)


def test_descriptors_that_a_network_does_not_look_at_are_left(compact: Member):
    one = OnnxScorer(compact.served.data)
    np.testing.assert_array_equal(one(pictures(2), described(2)), one(pictures(2), None))


def test_members_joined_in_exact_numbers():
    answers = [np.array([[2.0, 0.0], [0.0, 0.0]]), np.array([[0.0, 1.0], [3.0, 0.0]])]
    joint = JointScorer([lambda x, d, each=each: each for each in answers], join.mean(2, N_GENRES))
    expected = np.mean([log_softmax(each, axis=1) for each in answers], axis=0)
    np.testing.assert_allclose(joint(None, None), expected, rtol=1e-6)


def ensemble(*members: Member) -> Bundle:
    return sample(members=list(members), join=join.mean(len(members), N_GENRES))


def test_networks_and_baselines_together(compact: Member, crnn: Member):
    members = [compact, crnn, baseline(), baseline("descriptors")]
    bundle = ensemble(*members)
    x, d = pictures(5), described(5)
    alone = [scorer.of(sample(members=[each]), "cpu")(x, d) for each in members]
    expected = np.mean([log_softmax(each, axis=1) for each in alone], axis=0)
    np.testing.assert_allclose(scorer.of(bundle, "cpu")(x, d), expected, rtol=0, atol=1e-5)
    assert np.ptp(np.array(alone), axis=0).min() > 0.01, "or four that say the same would pass"


def test_on_another_device_networks_are_run_by_torch(compact: Member, crnn: Member):
    assert isinstance(scorer.of(sample(members=[compact]), "meta"), export.TorchScorer)
    joint = scorer.of(ensemble(compact, baseline(), crnn), "meta")
    assert isinstance(joint, JointScorer)
    assert [type(each) for each in joint.members] == [export.TorchScorer, serve.BaselineScorer, export.TorchScorer]


def test_only_a_state_needs_whole_tracks(compact: Member, crnn: Member):
    assert not sample(members=[compact]).served.by_track
    assert sample(members=[crnn]).served.by_track
    assert ensemble(compact, crnn).served.by_track
    assert not ensemble(compact, baseline()).served.by_track


def test_a_process_keeps_the_scorer_it_works_with(compact: Member):
    served = sample(members=[compact]).served
    again = Served((ServedMember(*compact.served),), None, SMALL)
    assert scorer.of_served(served) is scorer.of_served(again)
