"""Training of `NeuralNet`; apart from it, so that a bundle is loaded without torch."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

if TYPE_CHECKING:
    from genre_batch.models.baselines.neural_net import NeuralNet

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.int64]


def train(
    net: "NeuralNet", x: Floats, targets: Ints, hidden: tuple[tuple[int, float], ...], valid: tuple[Floats, Ints] | None
) -> tuple[list[Floats], list[Floats]]:
    """Weights [shape=(n_in, n_out), float32] and biases of each layer, batch normalisation folded in.

    x [shape=(n, n_features)]; targets [shape=(n,)], class indices; hidden: units and dropout of each hidden layer.
    """
    samples, classes = torch.as_tensor(np.asarray(x, np.float32)), torch.as_tensor(targets)
    starts = list(range(0, len(samples), net.batch_size))
    if len(samples) - starts[-1] == 1 and len(starts) > 1:
        starts.pop()  # one row has no variance to normalise by
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(net.random_state)
        layers = _layers(x.shape[1], hidden, int(targets.max()) + 1)
        if net.schedule == "plateau":
            optimizer = torch.optim.Adam(layers.parameters(), lr=net.learning_rate, weight_decay=net.weight_decay)
            plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode="max", factor=0.5, patience=3)
        else:
            optimizer = torch.optim.AdamW(layers.parameters(), lr=net.learning_rate, weight_decay=net.weight_decay)
            cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, net.learning_rate, total_steps=net.epochs * len(starts))
        for _ in range(net.epochs):
            layers.train()
            order = torch.randperm(len(samples))
            for start in starts:
                batch = order[start : start + net.batch_size]
                loss = nn.functional.cross_entropy(layers(samples[batch]), classes[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                if net.schedule == "one-cycle":
                    cycle.step()
            if net.schedule == "plateau" and valid is not None:
                plateau.step(_accuracy(layers, *valid))
    return _folded(layers)


def _layers(n_features: int, hidden: tuple[tuple[int, float], ...], n_classes: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for units, dropout in hidden:
        layers += [nn.Linear(n_features, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(dropout)]
        n_features = units
    return nn.Sequential(*layers, nn.Linear(n_features, n_classes))


def _accuracy(layers: nn.Sequential, x: Floats, targets: Ints) -> float:
    layers.eval()
    with torch.inference_mode():
        heard = layers(torch.as_tensor(np.asarray(x, np.float32))).argmax(1)
    return float((heard.numpy() == targets).mean())


def _folded(layers: nn.Sequential) -> tuple[list[Floats], list[Floats]]:
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    weights = [layer.weight.detach().numpy().T.copy() for layer in linear]
    biases = [layer.bias.detach().numpy().copy() for layer in linear]
    for i, norm in enumerate(layer for layer in layers if isinstance(layer, nn.BatchNorm1d)):
        assert norm.running_var is not None
        assert norm.running_mean is not None
        scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
        weights[i] *= scale
        biases[i] = (biases[i] - norm.running_mean.numpy()) * scale + norm.bias.detach().numpy()
    return weights, biases
