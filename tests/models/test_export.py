"""What a bundle labels with is the network that was trained: from safetensors, and as ONNX."""

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from genre_batch.models import export, fit, scorer
from genre_batch.models.bundle import Bundle
from genre_batch.models.compact import Compact
from tests.sample_bundle import SMALL, sample

ROWS, COLUMNS = SMALL.spectrogram_shape


def random(n: int, seed: int = 0, columns: int = COLUMNS) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, ROWS, columns), np.uint8)


@pytest.fixture(scope="module")
def trained() -> nn.Module:
    """After a few steps, so that no statistic is what it was at first."""
    torch.manual_seed(0)
    network = Compact(ROWS, 2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-2)
    pictures = [(torch.from_numpy(random(16, seed)), torch.arange(16) % 2) for seed in range(4)]
    fit.train_epoch(network, pictures, optimizer)
    return network.eval()


@pytest.fixture(scope="module")
def bundle(trained: nn.Module) -> Bundle:
    return sample(weights=export.weights(trained), onnx=export.to_onnx(trained, (ROWS, COLUMNS)))


@torch.no_grad()
def logits(network: nn.Module, spectrograms: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(spectrograms)).numpy()


def test_weights_come_back_as_they_were(trained: nn.Module, bundle: Bundle):
    found = export.network(bundle)
    assert not found.training
    for name, tensor in trained.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name
    np.testing.assert_array_equal(logits(found, random(5)), logits(trained, random(5)))


def test_weights_are_written_alike_each_time(trained: nn.Module):
    assert export.weights(trained) == export.weights(trained)


def test_weights_of_another_shape_are_refused(trained: nn.Module):
    with pytest.raises(RuntimeError, match="size mismatch"):
        export.network(sample(weights=export.weights(Compact(ROWS, 3))))


@pytest.mark.parametrize("n", [1, 3, 65])
def test_onnx_says_what_torch_says(trained: nn.Module, bundle: Bundle, n: int):
    spectrograms = random(n, seed=n)
    expected = logits(trained, spectrograms)
    found = scorer.of(bundle, "cpu")(spectrograms, None)
    assert found.dtype == np.float32
    assert found.shape == (n, 2)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-4)
    assert n == 1 or np.ptp(expected) > 0.01, "or equal logits would pass too"


@pytest.mark.parametrize("n", [1, 64, 65, 130])
def test_torch_scores_batch_by_batch_what_it_scores_at_once(trained: nn.Module, bundle: Bundle, n: int):
    spectrograms = random(n, seed=n)
    found = export.TorchScorer(bundle, "cpu")(spectrograms)
    assert found.shape == (n, 2)
    np.testing.assert_allclose(found, logits(trained, spectrograms), rtol=0, atol=1e-5)


def test_a_cpu_is_served_by_onnx_and_other_devices_by_torch(bundle: Bundle):
    assert isinstance(scorer.of(bundle, "cpu"), scorer.OnnxScorer)
    assert isinstance(scorer.of(bundle, "meta"), export.TorchScorer)


def test_the_onnx_file_stands_alone(bundle: Bundle):
    model = onnx.load_from_string(bundle.files["model.onnx"])
    onnx.checker.check_model(model)
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in model.graph.initializer)
    (given,), (answer,) = model.graph.input, model.graph.output
    assert (given.name, answer.name) == ("spectrograms", "logits")
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    sizes = [size.dim_param or size.dim_value for size in given.type.tensor_type.shape.dim]
    assert sizes[1:] == [ROWS, COLUMNS]
    assert isinstance(sizes[0], str), "any number of segments"


def test_export_leaves_the_network_as_it_was(trained: nn.Module, bundle: Bundle):
    assert not trained.training
    np.testing.assert_array_equal(logits(export.network(bundle), random(3)), logits(trained, random(3)))
