"""Running a bundle's model over the features of segments: ONNX Runtime or scikit-learn on a CPU, torch on a GPU."""

from functools import lru_cache
from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

from genre_batch.models.bundle import ONNX, SKOPS, Bundle, Served

BATCH = 64
"""Segments scored at a time: more gain no speed and cost memory."""

Spectrograms = npt.NDArray[np.uint8]
Descriptions = npt.NDArray[np.float64]
Logits = npt.NDArray[np.float32]


class Scorer(Protocol):
    """Logits [shape=(n, n_genres), float32] from spectrograms [shape=(n, rows, columns), uint8] and descriptors [shape=(n, 57)]; either
    is None where the front end does not compute it."""

    def __call__(self, spectrograms: Spectrograms | None, descriptors: Descriptions | None) -> Logits: ...


def of(bundle: Bundle, device: str) -> Scorer:
    """For a network torch on any device but `cpu`; ONNX Runtime and torch agree within 1e-4."""
    if device == "cpu" or SKOPS in bundle.files:
        return of_served(bundle.served)
    from genre_batch.models.export import (
        TorchScorer,  # five seconds and 500 MB that a worker on a CPU need not pay
    )

    return TorchScorer(bundle, device)


@lru_cache(maxsize=1)
def of_served(served: Served) -> Scorer:
    """On a CPU; kept, for a process scores for one model at a time."""
    if served.file == ONNX:
        return OnnxScorer(served.data)
    from genre_batch.models.baselines.serve import BaselineScorer

    return BaselineScorer(served.data)


class OnnxScorer:
    """Runs an ONNX file on `threads` cores."""

    def __init__(self, onnx: bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])

    def __call__(self, spectrograms: Spectrograms | None, descriptors: Descriptions | None = None) -> Logits:
        assert spectrograms is not None
        parts = [spectrograms[i : i + BATCH] for i in range(0, len(spectrograms), BATCH)]
        return np.concatenate([self.session.run(["logits"], {"spectrograms": part})[0] for part in parts])
