"""What a bundle labels with is the network that was trained: from safetensors, and as ONNX, for every kind of network."""

import numpy as np
import onnx
import pytest
import torch

from genre_batch.models import export, networks, scorer
from genre_batch.models.bundle import Bundle, Member
from genre_batch.models.compact import Compact
from genre_batch.models.network import Network
from tests.sample_bundle import SMALL, sample

SHAPE = ROWS, COLUMNS = SMALL.spectrogram_shape
N_GENRES = 2
NETWORKS = ("timbre", "compact", "compact-fusion", "crnn-fusion", "resnet34")


def random(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, ROWS, COLUMNS), np.uint8)


def described(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3.0, 2.0, (n, 57))


def trained(name: str) -> Network:
    """After a few steps, so that no statistic is what it was at first."""
    torch.manual_seed(0)
    network = networks.build(name, SHAPE, N_GENRES).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for seed in range(4):
        optimizer.zero_grad()
        logits = network(
            torch.from_numpy(random(16, seed)), torch.from_numpy(described(16, seed)).float(), torch.tensor([10, 6])
        )
        torch.nn.functional.cross_entropy(logits, torch.arange(16) % 2).backward()
        optimizer.step()
    return network.eval()


class Made:
    """A network, and a bundle of it alone."""

    def __init__(self, name: str) -> None:
        self.network = trained(name)
        self.before = export.weights(self.network)
        self.bundle = sample(members=[export.member(self.network, name, SHAPE)])

    @torch.no_grad()
    def logits(self, n: int) -> np.ndarray:
        """What torch says, at once; of one track where that matters."""
        return self.network(torch.from_numpy(random(n)), torch.from_numpy(described(n)).float(), torch.tensor([n])).numpy()


@pytest.fixture(scope="module", params=NETWORKS)
def made(request: pytest.FixtureRequest) -> Made:
    return Made(request.param)


def test_weights_come_back_as_they_were(made: Made):
    found = export.network(made.bundle)
    assert type(found) is type(made.network)
    assert not found.training
    for name, tensor in made.network.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


@pytest.mark.parametrize("n", [1, 3, 65])
def test_onnx_says_what_torch_says(made: Made, n: int):
    expected = made.logits(n)
    found = scorer.of(made.bundle, "cpu")(random(n), described(n))
    assert found.dtype == np.float32
    assert found.shape == (n, N_GENRES)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert n == 1 or np.ptp(expected) > 0.01, "or equal logits would pass too"


@pytest.mark.parametrize("n", [1, 65])
def test_torch_scores_batch_by_batch_what_it_scores_at_once(made: Made, n: int):
    found = export.TorchScorer(made.bundle, 0, "cpu")(random(n), described(n))
    assert found.shape == (n, N_GENRES)
    np.testing.assert_allclose(found, made.logits(n), rtol=0, atol=1e-5)


def test_the_onnx_file_stands_alone_and_asks_for_what_the_network_looks_at(made: Made):
    model = onnx.load_from_string(made.bundle.files["model.onnx"])
    onnx.checker.check_model(model)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    assert b"site-packages" not in made.bundle.files["model.onnx"], "it tells where it was made"
    (member,) = made.bundle.members
    assert tuple(each.name for each in model.graph.input) == member.inputs == export.inputs(made.network)
    recurrent = made.network.recurrent
    assert [each.name for each in model.graph.output] == (["logits", "state_after"] if recurrent else ["logits"])
    first = model.graph.input[0].type.tensor_type
    assert first.elem_type == onnx.TensorProto.UINT8
    sizes = [size.dim_param or size.dim_value for size in first.shape.dim]
    assert sizes[1:] == [ROWS, COLUMNS]
    assert isinstance(sizes[0], str), "any number of segments"


def test_export_leaves_the_network_as_it_was(made: Made):
    assert made.before == export.weights(made.network)
    assert not made.network.training


def test_a_network_in_training_is_exported_as_it_serves():
    network = trained("compact").train()
    found = scorer.OnnxScorer(export.to_onnx(network, SHAPE))(random(4))
    with torch.no_grad():
        np.testing.assert_allclose(found, network.eval()(torch.from_numpy(random(4))).numpy(), rtol=0, atol=1e-4)


def test_weights_are_written_alike_each_time():
    network = Compact(SHAPE, N_GENRES)
    assert export.weights(network) == export.weights(network)
    assert export.weights(network.to(memory_format=torch.channels_last)) == export.weights(network)


def test_weights_of_another_shape_are_refused():
    other = Member("compact", ("spectrograms",), {"model.onnx": b"", "weights.safetensors": export.weights(Compact(SHAPE, 3))})
    with pytest.raises(RuntimeError, match="size mismatch"):
        export.network(sample(members=[other]))


def test_each_member_by_its_number():
    kept = [Compact(SHAPE, N_GENRES) for _ in range(2)]
    members = [
        Member("compact", ("spectrograms",), {"model.onnx": b"", "weights.safetensors": export.weights(each)}) for each in kept
    ]
    bundle: Bundle = sample(members=members)
    for n, each in enumerate(kept):
        assert export.weights(export.network(bundle, n)) == export.weights(each)
    assert export.weights(kept[0]) != export.weights(kept[1])
