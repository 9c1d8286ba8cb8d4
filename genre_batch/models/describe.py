"""What a network is made of: its layers, the shapes they give, their parameters, and what one spectrogram takes in memory.

On torch's meta device, which knows shapes and holds no numbers: a network of 300 million parameters is described at once.
"""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import nn

from genre_batch.models.network import Network
from schemas.descriptors import NAMES

MIB = 1024**2


class Layer(NamedTuple):
    """One layer as it ran; `shape` without the segments."""

    kind: str
    shape: tuple[int, ...]
    n_parameters: int


def parameters(network_class: type[Network], shape: tuple[int, int], n_genres: int) -> int:
    """How many parameters the network has. Raises UsageError for a shape it cannot take."""
    return _count(_on_meta(network_class, shape, n_genres))


def describe(network_class: type[Network], shape: tuple[int, int], n_genres: int) -> str:
    """A table of layers with totals, in the form and by the convention of torchsummary, as the original's slides show them.

    Memory is for one segment, float32: activations of all layers, once forward and once backward. torchsummary writes MB for MiB.
    Raises UsageError for a shape the network cannot take.
    """
    network = _on_meta(network_class, shape, n_genres)
    given = _example(network, shape)
    layers = _run(network, given)
    n_parameters, n_given = _count(network), sum(tensor.numel() for tensor in given.values())
    n_activations = sum(torch.Size(layer.shape).numel() for layer in layers)
    trainable = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)
    rows = [
        (f"{layer.kind}-{i}", str([-1, *layer.shape]), f"{layer.n_parameters:,}") for i, layer in enumerate(layers, start=1)
    ]
    totals = [
        ("parameters", f"{n_parameters:,}"),
        ("trainable", f"{trainable:,}"),
        ("input", _mib(4 * n_given)),
        ("forward and backward", _mib(2 * 4 * n_activations)),
        ("weights", _mib(4 * n_parameters)),
    ]
    lines = [f"{name:<24}{output:<24}{count:>16}" for name, output, count in [("layer", "output", "parameters"), *rows]]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:], rule, *(f"{name:<24}{total:>40}" for name, total in totals)])


def _on_meta(network_class: type[Network], shape: tuple[int, int], n_genres: int) -> Network:
    with torch.device("meta"):
        return network_class(shape, n_genres).eval()


def _example(network: Network, shape: tuple[int, int]) -> dict[str, torch.Tensor]:
    """One segment of each input that the network names in `inputs`."""
    shapes = {"spectrograms": shape, "descriptors": (len(NAMES),)}
    return {name: torch.empty((1, *shapes[name]), device="meta") for name in network.inputs}


def _run(network: Network, given: dict[str, torch.Tensor]) -> list[Layer]:
    """The layers in the order in which they ran on one segment, a track of its own."""
    ran: list[Layer] = []

    def note(module: nn.Module, _: object, output: torch.Tensor | tuple[torch.Tensor, ...]) -> None:
        # A recurrent layer gives its state beside its output.
        first = output if isinstance(output, torch.Tensor) else output[0]
        ran.append(Layer(type(module).__name__, tuple(first.shape[1:]), _count(module)))

    for layer in _layers(network):
        layer.register_forward_hook(note)
    # Lengths are read, not computed with: they need numbers.
    network(**given, lengths=torch.ones(1, dtype=torch.int64))
    return ran


def _layers(network: nn.Module) -> Iterator[nn.Module]:
    """What has weights of its own or no parts; the rest only holds layers."""
    for child in network.children():
        if next(child.parameters(recurse=False), None) is not None:
            yield child
        elif next(child.children(), None) is not None:
            yield from _layers(child)
        elif not isinstance(child, nn.Sequential):
            yield child


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _mib(n_bytes: int) -> str:
    return f"{n_bytes / MIB:,.2f} MiB"
