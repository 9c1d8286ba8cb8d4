"""Running a bundle's network over spectrograms: ONNX Runtime on a CPU, torch on a GPU."""

from typing import Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime

from genre_batch.models.bundle import Bundle

BATCH = 64
"""Segments scored at a time: more gain no speed and cost memory."""

Spectrograms = npt.NDArray[np.uint8]
Logits = npt.NDArray[np.float32]


class Scorer(Protocol):
    """Spectrograms [shape=(n, rows, columns), uint8] to logits [shape=(n, n_genres), float32]."""

    def __call__(self, spectrograms: Spectrograms) -> Logits: ...


def of(bundle: Bundle, device: str) -> Scorer:
    """ONNX Runtime for `cpu`, torch for any other device; the two agree within 1e-4."""
    if device == "cpu":
        return OnnxScorer(bundle.files["model.onnx"])
    from genre_batch.models.export import (
        TorchScorer,  # five seconds and 500 MB that a worker on a CPU need not pay
    )

    return TorchScorer(bundle, device)


class OnnxScorer:
    """Runs an ONNX file on `threads` cores."""

    def __init__(self, onnx: bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])

    def __call__(self, spectrograms: Spectrograms) -> Logits:
        parts = [spectrograms[i : i + BATCH] for i in range(0, len(spectrograms), BATCH)]
        return np.concatenate([self.session.run(["logits"], {"spectrograms": part})[0] for part in parts])
