"""From a trained network to the files of a bundle, and back: all that needs torch."""

import logging
import warnings

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save
from torch import nn

from genre_batch.models import networks
from genre_batch.models.bundle import ONNX, WEIGHTS, Bundle, Member
from genre_batch.models.network import Network, RecurrentNetwork
from genre_batch.models.scorer import Descriptions, Logits, Spectrograms
from schemas.descriptors import NAMES

BATCH = 64
"""Segments that torch scores at a time: more gain no speed and cost memory."""


def member(network: Network, name: str, spectrogram_shape: tuple[int, int]) -> Member:
    """A trained network as part of a bundle."""
    return Member(name, inputs(network), {ONNX: to_onnx(network, spectrogram_shape), WEIGHTS: weights(network)})


def weights(network: nn.Module) -> bytes:
    """The network's weights as a safetensors file."""
    return save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})


def network(bundle: Bundle, n: int = 0) -> Network:
    """A bundle's n-th network with its weights, in evaluation mode, on the CPU."""
    found = bundle.members[n]
    built = networks.build(found.model, bundle.front_end.spectrogram_shape, len(bundle.taxonomy))
    built.load_state_dict(load_tensors(found.files[WEIGHTS]))
    return built.eval()


class TorchScorer:
    """Runs a bundle's n-th network itself on a device."""

    def __init__(self, bundle: Bundle, n: int, device: str) -> None:
        self.network = network(bundle, n).to(device)
        self.device = device

    @torch.no_grad()
    def __call__(self, spectrograms: Spectrograms | None, descriptors: Descriptions | None = None) -> Logits:
        assert spectrograms is not None
        if self.network.recurrent:
            # Segments in one go: the state would be lost between two.
            return self._logits(spectrograms, descriptors, torch.tensor([len(spectrograms)]))
        parts = [slice(i, i + BATCH) for i in range(0, len(spectrograms), BATCH)]
        return np.concatenate(
            [self._logits(spectrograms[part], None if descriptors is None else descriptors[part], None) for part in parts]
        )

    def _logits(self, spectrograms: Spectrograms, descriptors: Descriptions | None, lengths: torch.Tensor | None) -> Logits:
        described = None
        if "descriptors" in self.network.inputs:
            assert descriptors is not None
            described = torch.from_numpy(descriptors.astype(np.float32)).to(self.device)
        found: Logits = self.network(torch.from_numpy(spectrograms).to(self.device), described, lengths).float().cpu().numpy()
        return found


def to_onnx(network: Network, spectrogram_shape: tuple[int, int]) -> bytes:
    """The network in evaluation mode as an ONNX file, for any number of segments at a time; a recurrent one takes those of one track and
    the state before them, and gives the state after them."""
    served, n = _Served(network), torch.export.Dim("n", min=1)
    # Two, for torch takes a size of one for a fixed one.
    examples = {
        "spectrograms": torch.zeros((2, *spectrogram_shape), dtype=torch.uint8),
        "descriptors": torch.zeros((2, len(NAMES))),
    }
    if isinstance(network, RecurrentNetwork):
        examples["state"] = torch.zeros(network.state_shape)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # torch's own exporter calls parts of torch that torch has deprecated.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            served.eval().cpu(),
            tuple(examples[name] for name in served.inputs),
            input_names=list(served.inputs),
            output_names=["logits", "state_after"] if network.recurrent else ["logits"],
            dynamic_shapes=tuple({0: torch.export.Dim.STATIC if name == "state" else n} for name in served.inputs),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    # Where each node was written in torch: paths of the machine that trained, which are nobody's business.
    for each in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del each.metadata_props[:]
    return bytes(model.SerializeToString())


def inputs(network: Network) -> tuple[str, ...]:
    """What the network looks at when it serves: a recurrent one its state too."""
    return (*network.inputs, "state") if network.recurrent else network.inputs


class _Served(nn.Module):
    """A network with exactly the inputs that it looks at, in order."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network, self.inputs = network, inputs(network)

    # Named one by one: the exporter would take the sizes of a variable number of them for fixed.
    def forward(
        self, first: torch.Tensor, second: torch.Tensor | None = None, third: torch.Tensor | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        given = dict(zip(self.inputs, (first, second, third), strict=False))
        if isinstance(self.network, RecurrentNetwork):
            state = given["state"]
            assert state is not None
            return self.network.advance(first, given.get("descriptors"), state)
        logits: torch.Tensor = self.network(first, given.get("descriptors"))
        return logits
