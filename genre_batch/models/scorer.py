"""Running a bundle's models over the segments of a track: ONNX Runtime or scikit-learn on a CPU, torch on a GPU."""

from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, RuntimeException

from genre_batch.models.bundle import ONNX, Bundle, Served, ServedMember
from genre_batch.models.join import Join

BATCH = 8
"""Segments that ONNX Runtime scores at a time: what it holds of more no longer fits into the cache of a core, and of 64 each costs a tenth
more."""

Spectrograms = npt.NDArray[np.uint8]
Descriptions = npt.NDArray[np.float64]
Logits = npt.NDArray[np.float32]
State = npt.NDArray[np.float32]


class Scorer(Protocol):
    """Logits [shape=(n, n_genres), float32] from spectrograms [shape=(n, rows, columns), uint8] and descriptors [shape=(n, 57)]; either
    is None where the front end does not compute it. A recurrent model takes them as the segments of one track, in order."""

    def __call__(self, spectrograms: Spectrograms | None, descriptors: Descriptions | None) -> Logits: ...


def of(bundle: Bundle, device: str) -> Scorer:
    """For networks torch on any device but `cpu`; ONNX Runtime and torch agree within 1e-4."""
    if device == "cpu":
        return of_served(bundle.served)
    from genre_batch.models.export import TorchScorer  # five seconds and 500 MB that a worker on a CPU need not pay

    members = [TorchScorer(bundle, n, device) if m.file == ONNX else _member(m.served) for n, m in enumerate(bundle.members)]
    return joined(members, bundle.join)


@lru_cache(maxsize=1)
def of_served(served: Served) -> Scorer:
    """On a CPU; kept, for a process scores for one model at a time."""
    return joined([_member(member) for member in served.members], served.join)


def joined(members: list[Scorer], join: Join | None) -> Scorer:
    return JointScorer(members, join) if join else members[0]


def _member(member: ServedMember) -> Scorer:
    if member.file == ONNX:
        return OnnxScorer(member.data)
    from genre_batch.models.baselines.serve import BaselineScorer

    return BaselineScorer(member.data, member.inputs)


class JointScorer:
    """Several models as one."""

    def __init__(self, members: list[Scorer], join: Join) -> None:
        self.members, self.join = members, join

    def __call__(self, spectrograms: Spectrograms | None, descriptors: Descriptions | None = None) -> Logits:
        return self.join([member(spectrograms, descriptors) for member in self.members])


class OnnxScorer:
    """Runs an ONNX file on `threads` cores."""

    def __init__(self, onnx: bytes, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
        self.inputs = {each.name: each for each in self.session.get_inputs()}

    def __call__(self, spectrograms: Spectrograms | None, descriptors: Descriptions | None = None) -> Logits:
        return self.advance(spectrograms, descriptors, None)[0]

    def advance(
        self, spectrograms: Spectrograms | None, descriptors: Descriptions | None, state: State | None
    ) -> tuple[Logits, State | None]:
        """The next segments of a track, from the state that the ones before left: None before the first, and where none is carried."""
        assert spectrograms is not None
        carries, takes = "state" in self.inputs, self.inputs["spectrograms"].shape[0]
        if state is None and carries:
            state = np.zeros(self.inputs["state"].shape, np.float32)
        logits = []
        # Older files of recurrent networks take one at a time.
        size = takes if isinstance(takes, int) else BATCH
        for i in range(0, len(spectrograms), size):
            given = {"spectrograms": spectrograms[i : i + size], "state": state}
            if descriptors is not None:
                given["descriptors"] = descriptors[i : i + size].astype(np.float32)
            found = self._run({name: given[name] for name in self.inputs})
            logits.append(found[0])
            state = found[1] if carries else None
        return np.concatenate(logits), state

    def _run(self, given: dict[str, Any]) -> list[npt.NDArray[np.float32]]:
        """Raises MemoryError, which onnxruntime only tells in words."""
        try:
            found: list[npt.NDArray[np.float32]] = self.session.run(None, given)
        except (Fail, RuntimeException) as error:
            if "alloc" in str(error):
                raise MemoryError(str(error)) from error
            raise
        return found
