"""What a GRU is in ONNX: torch's own numbers, gate by gate, for any number of steps."""

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from genre_batch.models import gru

SIZE, HIDDEN = 5, 3


class Advance(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.gru = nn.GRU(SIZE, HIDDEN, batch_first=True)

    def forward(self, steps: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return gru.advance(self.gru, steps, state)


def drawn(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    return torch.randn(n, SIZE, generator=generator), torch.randn(1, HIDDEN, generator=generator)


def by_hand(module: nn.GRU, steps: np.ndarray, state: np.ndarray) -> np.ndarray:
    """Cho et al. (2014), with the reset gate after the product, as torch has it."""
    weights = {name: value.detach().numpy() for name, value in module.named_parameters()}
    heard, h = [], state[0]
    for x in steps:
        given = np.split(weights["weight_ih_l0"] @ x + weights["bias_ih_l0"], 3)
        kept = np.split(weights["weight_hh_l0"] @ h + weights["bias_hh_l0"], 3)
        reset, update = (1 / (1 + np.exp(-(a + b))) for a, b in zip(given[:2], kept[:2], strict=True))
        h = (1 - update) * np.tanh(given[2] + reset * kept[2]) + update * h
        heard.append(h)
    return np.array(heard)


@pytest.fixture(scope="module")
def exported() -> onnx.ModelProto:
    program = torch.onnx.export(
        Advance().eval(), drawn(2), dynamic_shapes=({0: torch.export.Dim("n", min=1)}, None), dynamo=True, verbose=False
    )
    assert program is not None
    return program.model_proto


@pytest.mark.parametrize("n", [1, 2, 7])
@torch.no_grad()
def test_torch_by_hand(n: int):
    advance, (steps, state) = Advance(), drawn(n)
    heard, after = advance(steps, state)
    expected = by_hand(advance.gru, steps.numpy(), state.numpy())
    np.testing.assert_allclose(heard, expected, atol=1e-6)
    np.testing.assert_allclose(after, expected[-1:], atol=1e-6)


@pytest.mark.parametrize("n", [1, 2, 7])
def test_onnx_by_hand(exported: onnx.ModelProto, n: int):
    steps, state = (each.numpy() for each in drawn(n))
    session = onnxruntime.InferenceSession(exported.SerializeToString(), providers=["CPUExecutionProvider"])
    heard, after = session.run(None, dict(zip((each.name for each in session.get_inputs()), (steps, state), strict=True)))
    expected = by_hand(Advance().gru, steps, state)
    np.testing.assert_allclose(heard, expected, atol=1e-6)
    np.testing.assert_allclose(after, expected[-1:], atol=1e-6)


def test_it_is_one_operator_and_tells_its_shapes(exported: onnx.ModelProto):
    assert [node.op_type for node in exported.graph.node].count("GRU") == 1
    shapes = [[size.dim_param or size.dim_value for size in each.type.tensor_type.shape.dim] for each in exported.graph.output]
    assert shapes == [[exported.graph.input[0].type.tensor_type.shape.dim[0].dim_param, HIDDEN], [1, HIDDEN]]
