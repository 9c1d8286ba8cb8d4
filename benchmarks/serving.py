"""A trained network as PyTorch runs it eagerly, as ONNX Runtime runs it, and in int8 as ONNX Runtime quantises it; one core each."""

import logging
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from benchmarks import report
from genre_batch.cluster.examples import Examples
from genre_batch.models import export
from genre_batch.models.network import Network
from genre_batch.models.scorer import OnnxScorer

SIZES = (9, 3, 1, 32)
"""Segments at a time: of an excerpt of half a minute where they overlap, and where not, of a live stream, of a track of some minutes."""
ROUNDS = 20
CALIBRATION_TRACKS = 60

Logits = npt.NDArray[np.float32]
Place = slice


def compare(name: str, network: Network, examples: Examples) -> list[dict[str, Any]]:
    """A row for each way to run it. `segments a CPU s` is for the first of SIZES; `max difference` is from eager PyTorch, `same label` the
    share of segments that ONNX Runtime in float labels alike, both over all of `examples`."""
    torch.set_num_threads(1)
    served = export.to_onnx(network, examples.spectrograms.shape[1:])
    scorers = {"ONNX Runtime": OnnxScorer(served)}
    scorers |= {kind: OnnxScorer(data) for kind, data in quantised(served, examples).items()}
    # Training left the weights as a CPU likes them; who loads a network has them as they are saved.
    loaded = network.to(memory_format=torch.contiguous_format)
    ways: dict[str, Callable[[Place], Logits]] = {"eager": partial(eager, loaded, examples)}
    ways |= {kind: partial(scored, scorer, examples) for kind, scorer in scorers.items()}
    spent = {n: report.cpu_seconds({kind: partial(way, slice(0, n)) for kind, way in ways.items()}, ROUNDS) for n in SIZES}
    found = {kind: by_track(way, examples) for kind, way in ways.items()}
    return [
        {
            "network": name,
            "runs as": kind,
            "segments a CPU s": SIZES[0] / spent[SIZES[0]][kind],
            **{f"× eager, {n}": spent[n]["eager"] / spent[n][kind] for n in SIZES},
            "max difference": float(np.abs(found[kind] - found["eager"]).max()),
            "same label": float((found[kind].argmax(1) == found["ONNX Runtime"].argmax(1)).mean()),
        }
        for kind in ways
    ]


@torch.no_grad()
def eager(network: Network, examples: Examples, part: Place) -> Logits:
    described = None if examples.descriptors is None else torch.from_numpy(examples.descriptors[part])
    logits: Logits = network(torch.from_numpy(examples.spectrograms[part]), described, None).numpy()
    return logits


def scored(scorer: OnnxScorer, examples: Examples, part: Place) -> Logits:
    described = None if examples.descriptors is None else examples.descriptors[part].astype(np.float64)
    return scorer(examples.spectrograms[part], described)


def by_track(way: Callable[[Place], Logits], examples: Examples) -> Logits:
    """All segments, those of a track at a time, as a catalog is labelled."""
    return np.concatenate([way(place) for place in places(examples)])


def places(examples: Examples) -> list[Place]:
    ends = np.cumsum(examples.lengths)
    return [slice(int(end - n), int(end)) for end, n in zip(ends, examples.lengths, strict=True)]


def quantised(served: bytes, examples: Examples) -> dict[str, bytes]:
    """The network in int8: weights only, with activations brought to int8 as they come, and both from ranges seen before."""
    with tempfile.TemporaryDirectory() as folder:
        plain, prepared, made = (Path(folder) / name for name in ("plain.onnx", "prepared.onnx", "made.onnx"))
        plain.write_bytes(served)
        logging.getLogger("root").setLevel(logging.ERROR)  # onnxruntime warns there that it would have liked to optimise first
        quant_pre_process(plain, prepared, skip_symbolic_shape=True)
        quantize_dynamic(prepared, made, weight_type=QuantType.QUInt8)
        found = {"int8, dynamic": made.read_bytes()}
        quantize_static(
            prepared,
            made,
            Seen(served, examples),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )
        return found | {"int8, static": made.read_bytes()}


class Seen(CalibrationDataReader):
    """Segments of CALIBRATION_TRACKS tracks, one at a time, each with the state that the ones before it leave."""

    def __init__(self, served: bytes, examples: Examples) -> None:
        self.scorer, self.examples = OnnxScorer(served), examples
        self.inputs = self._all()

    def get_next(self) -> dict[str, Any] | None:
        return next(self.inputs, None)

    def _all(self) -> Iterator[dict[str, Any]]:
        every = places(self.examples)
        for place in every[:: max(1, len(every) // CALIBRATION_TRACKS)]:
            state = np.zeros(self.scorer.inputs["state"].shape, np.float32) if "state" in self.scorer.inputs else None
            for i in range(place.start, place.stop):
                one = slice(i, i + 1)
                described = None if self.examples.descriptors is None else self.examples.descriptors[one]
                given = {"spectrograms": self.examples.spectrograms[one], "descriptors": described, "state": state}
                yield {name: given[name] for name in self.scorer.inputs}
                _, state = self.scorer.advance(given["spectrograms"], described, state)
