"""The original's multilayer perceptron as a scikit-learn classifier: trained by torch, kept and run as plain arrays."""

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin

Floats = npt.NDArray[np.floating]
HIDDEN = ((256, 0.2), (128, 0.3), (64, 0.4))
"""Units and dropout of each hidden layer: linear, batch normalisation (Ioffe and Szegedy 2015), ReLU, dropout."""


class NeuralNet(ClassifierMixin, BaseEstimator):
    """d → 256 → 128 → 64 → classes.

    schedule: `plateau` halves the learning rate when `valid` accuracy stalls for four epochs, and keeps the last epoch's weights, as
    the original did; `one-cycle` (Smith and Topin 2018) needs no validation rows.
    """

    def __init__(
        self,
        schedule: Literal["plateau", "one-cycle"] = "one-cycle",
        epochs: int = 20,
        batch_size: int = 128,
        learning_rate: float = 5e-3,
        weight_decay: float = 1e-2,
        random_state: int = 0,
    ) -> None:
        self.schedule, self.epochs, self.batch_size = schedule, epochs, batch_size
        self.learning_rate, self.weight_decay, self.random_state = learning_rate, weight_decay, random_state

    def fit(self, x: Floats, y: npt.NDArray[Any], valid: tuple[Floats, npt.NDArray[Any]] | None = None) -> Self:
        """x: [shape=(n, n_features)]; y: [shape=(n,)], any labels; valid: rows that `plateau` watches."""
        from genre_batch.models.baselines.training import train

        self.classes_, targets = np.unique(y, return_inverse=True)
        watched = None
        if valid is not None:
            known = np.isin(valid[1], self.classes_)
            watched = valid[0][known], np.searchsorted(self.classes_, valid[1][known])
        self.weights_, self.biases_ = train(self, x, targets, HIDDEN, watched)
        return self

    def predict_proba(self, x: Floats) -> Floats:
        """[shape=(n, n_classes)], rows sum to 1."""
        values = np.asarray(x, np.float32)
        for weights, bias in zip(self.weights_[:-1], self.biases_[:-1], strict=True):
            values = np.maximum(values @ weights + bias, 0)
        return np.asarray(softmax(values @ self.weights_[-1] + self.biases_[-1], axis=1))

    def predict(self, x: Floats) -> npt.NDArray[Any]:
        return np.asarray(self.classes_[self.predict_proba(x).argmax(axis=1)])
