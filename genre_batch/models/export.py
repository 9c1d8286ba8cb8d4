"""From a trained network to the files of a bundle, and back: all that needs torch."""

import io
import logging
import warnings

import numpy as np
import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save
from torch import nn

from genre_batch.models import networks
from genre_batch.models.bundle import WEIGHTS, Bundle
from genre_batch.models.scorer import BATCH, Descriptions, Logits, Spectrograms


def weights(network: nn.Module) -> bytes:
    """The network's weights as a safetensors file."""
    return save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})


def network(bundle: Bundle) -> nn.Module:
    """The network of a bundle with its weights, in evaluation mode, on the CPU."""
    built = networks.build(bundle.facts["model"], bundle.front_end.spectrogram_shape[0], len(bundle.taxonomy))
    built.load_state_dict(load_tensors(bundle.files[WEIGHTS]))
    return built.eval()


class TorchScorer:
    """Runs the network itself on a device."""

    def __init__(self, bundle: Bundle, device: str) -> None:
        self.network = network(bundle).to(device)
        self.device = device

    @torch.no_grad()
    def __call__(self, spectrograms: Spectrograms | None, descriptors: Descriptions | None = None) -> Logits:
        assert spectrograms is not None
        parts = [torch.from_numpy(spectrograms[i : i + BATCH]) for i in range(0, len(spectrograms), BATCH)]
        return np.concatenate([self.network(part.to(self.device)).cpu().numpy() for part in parts])


def to_onnx(network: nn.Module, spectrogram_shape: tuple[int, int]) -> bytes:
    """The network in evaluation mode as an ONNX file, for any number of segments at a time."""
    example = torch.zeros((2, *spectrogram_shape), dtype=torch.uint8)
    buffer = io.BytesIO()
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # torch's own exporter calls parts of torch that torch has deprecated.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            network.eval().cpu(),
            (example,),
            input_names=["spectrograms"],
            output_names=["logits"],
            dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    buffer.write(program.model_proto.SerializeToString())
    return buffer.getvalue()
