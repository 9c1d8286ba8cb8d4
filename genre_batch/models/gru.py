"""One sequence through a GRU, which torch's exporter writes for any number of steps."""

import torch
from torch import nn

Tensor = torch.Tensor

OPSET = 14
"""The version of ONNX's operator that is meant; it has not changed since."""


def advance(gru: nn.GRU, steps: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """What a GRU of one layer gives at each step [shape=(n, hidden)], and its state after the last.

    steps [shape=(n, size)]; state [shape=(1, hidden)].
    """
    if torch.onnx.is_in_onnx_export():
        return _as_onnx(gru, steps, state)
    heard, after = gru(steps.unsqueeze(0), state.unsqueeze(0))
    return heard[0], after[0]


def _as_onnx(gru: nn.GRU, steps: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
    """ONNX's own operator: torch traces its GRU step by step, for the steps of the example alone."""
    of_input, of_state, *biases = (_update_first(weights) for weights in gru.all_weights[0])
    # One sequence, and one direction.
    given = (steps.unsqueeze(1), of_input[None], of_state[None], torch.cat(biases)[None], None, state[None])
    heard, after = torch.onnx.ops.symbolic_multi_out(
        "GRU",
        given,
        {"hidden_size": gru.hidden_size, "linear_before_reset": 1},
        dtypes=(steps.dtype, steps.dtype),
        shapes=((steps.shape[0], 1, 1, gru.hidden_size), (1, 1, gru.hidden_size)),
        version=OPSET,
    )
    return heard[:, 0, 0], after[0]


def _update_first(gates: Tensor) -> Tensor:
    """torch holds the gates as reset, update, new [shape=(3 * hidden, …)]; ONNX as update, reset, new."""
    hidden = len(gates) // 3
    return torch.cat([gates[hidden : 2 * hidden], gates[:hidden], gates[2 * hidden :]])
