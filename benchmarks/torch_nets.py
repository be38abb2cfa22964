"""The nets of `nets.py` in plain PyTorch, with Keras' default learning rates and epsilons."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Tensors = list[torch.Tensor]


class Residual(nn.Module):
    """Two convolutions and a shortcut, which is projected where the shape changes."""

    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        """Create the layers."""
        super().__init__()
        self.first = nn.Conv2d(inputs, filters, 3, stride, 1, bias=False)
        self.second = nn.Conv2d(filters, filters, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(filters, 1e-3, 0.01) for _ in range(2)])
        self.shortcut = nn.Sequential()
        if stride != 1 or inputs != filters:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, filters, 1, stride, bias=False), nn.BatchNorm2d(filters, 1e-3, 0.01)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Apply the block."""
        y = functional.relu(self.norms[0](self.first(x)))
        return functional.relu(self.shortcut(x) + self.norms[1](self.second(y)))


class Siamese(nn.Module):
    """Two sequences that share an LSTM."""

    def __init__(self) -> None:
        """Create the layers."""
        super().__init__()
        self.shared = nn.LSTM(256, 64, batch_first=True)
        self.head = nn.Linear(128, 1)

    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """Return the logit."""
        ends = [self.shared(x)[0][:, -1] for x in (left, right)]
        out: torch.Tensor = self.head(torch.cat(ends, -1))
        return out


class Transformer(nn.Module):
    """A transformer block that classifies 200 tokens, with Keras' head size of 32, which nn.MultiheadAttention does not allow."""

    def __init__(self) -> None:
        """Create the layers."""
        super().__init__()
        self.embed = nn.Embedding(20000, 32)
        self.project, self.out = nn.Linear(32, 3 * 64), nn.Linear(64, 32)
        self.norms = nn.ModuleList([nn.LayerNorm(32, 1e-6) for _ in range(2)])
        self.feed = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.Dropout(0.1))
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Linear(32, 20), nn.ReLU(), nn.Dropout(0.1), nn.Linear(20, 2))
        self.drop = nn.Dropout(0.1)

    def attend(self, x: torch.Tensor) -> torch.Tensor:
        """Apply attention with two heads of size 32."""
        batch, time, _ = x.shape
        q, k, v = self.project(x).view(batch, time, 3, 2, 32).permute(2, 0, 3, 1, 4)
        mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(batch, time, 64)
        out: torch.Tensor = self.out(mixed)
        return out

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the logits."""
        x = self.embed(tokens)
        x = self.norms[0](x + self.drop(self.attend(x)))
        x = self.norms[1](x + self.feed(x))
        out: torch.Tensor = self.head(x.mean(1))
        return out


def mlp() -> nn.Module:
    """Return a multilayer perceptron, 784 - 64 - 64 - 10."""
    return nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn() -> nn.Module:
    """Return a net of two convolutions with poolings and a dropout."""
    towers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*towers, nn.Flatten(), nn.Dropout(0.5), nn.Linear(1600, 10))


def resnet20() -> nn.Module:
    """Return the CIFAR ResNet-20."""
    blocks: list[nn.Module] = [nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16, 1e-3, 0.01), nn.ReLU()]
    inputs = 16
    for stage, filters in enumerate((16, 32, 64)):
        for block in range(3):
            blocks.append(Residual(inputs, filters, 2 if stage and not block else 1))
            inputs = filters
    return nn.Sequential(*blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


BUILD: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "siamese": Siamese,
    "cnn": cnn,
    "resnet20": resnet20,
    "transformer": Transformer,
}
LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "categorical_crossentropy": functional.cross_entropy,
    "sparse_categorical_crossentropy": functional.cross_entropy,
    "binary_crossentropy": functional.binary_cross_entropy_with_logits,
}
OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-3, alpha=0.9, eps=1e-7),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-3, eps=1e-7),
}


def tensors(arrays: list[np.ndarray], target: np.ndarray) -> tuple[Tensors, torch.Tensor]:
    """Convert data to PyTorch's conventions: channels-first images, int64 classes."""
    xs = [torch.from_numpy(np.ascontiguousarray(np.moveaxis(a, -1, 1) if a.ndim == 4 else a)) for a in arrays]
    return xs, torch.from_numpy(target.astype("int64") if target.dtype.kind == "i" else target)


class Trainer:
    """The training loop of one net."""

    def __init__(self, name: str, net: Any, compiled: bool) -> None:
        """Create the model, its data and its optimizer."""
        self.model = BUILD[name]()
        self.run: Any = torch.compile(self.model) if compiled else self.model
        self.xs, self.y = tensors(*net.arrays())
        self.optimizer, self.loss, self.batch = (
            OPTIMIZERS[net.optimizer](self.model.parameters()),
            LOSSES[net.loss],
            net.batch,
        )

    def parameters(self) -> int:
        """Return the number of parameters."""
        return sum(p.numel() for p in self.model.parameters())

    def epoch(self) -> float:
        """Train for one shuffled epoch; return the mean loss."""
        self.model.train()
        order, total = torch.randperm(len(self.y)), torch.zeros(())
        for picked in order.split(self.batch):
            loss = self.loss(self.run(*[x[picked] for x in self.xs]), self.y[picked])
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return float(total) / len(order.split(self.batch))
