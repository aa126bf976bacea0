"""The training example learns: emitted layers, chained by their caches, on data of its own kind."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def loaded(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def example() -> ModuleType:
    return loaded("train_digits")


def rings(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Three rings in a plane, turned into ten dimensions: no linear map tells them apart."""
    labels = rng.integers(3, size=n)
    angle = rng.uniform(0, 2 * np.pi, n)
    radius = 1.0 + labels + 0.1 * rng.normal(size=n)
    plane = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return plane @ rng.normal(size=(2, 10)) / 2, labels


def test_it_learns(example: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    x, labels = rings(np.random.default_rng(1), 900)
    accuracy = example.train(x, labels, hidden=(32, 16), epochs=25)
    assert accuracy >= 0.97
    assert "held out" in capsys.readouterr().err, "there is a progress line"


def test_its_gradients_are_those_of_its_loss(example: ModuleType) -> None:
    rng = np.random.default_rng(2)
    network = example.Network([5, 7, 6, 4], rng)
    x, y = rng.normal(size=(9, 5)), np.eye(4)[rng.integers(4, size=9)]
    _, grads = network.loss_and_gradients(x, y)
    assert grads.keys() == network.parameters.keys()
    for name, g in grads.items():
        kept = network.parameters[name]
        along = rng.normal(size=kept.shape)
        values = []
        for h in (1e-5, -1e-5):
            network.parameters[name] = kept + h * along
            values.append(network.loss_and_gradients(x, y)[0])
        network.parameters[name] = kept
        assert np.vdot(g, along) == pytest.approx((values[0] - values[1]) / 2e-5, rel=2e-5, abs=1e-8), name


def test_a_recurrent_network_learns_what_came_first(capsys: pytest.CaptureFixture[str]) -> None:
    """The class is the sign pattern of the first step; the rest is noise that the state has to outlast."""
    rng = np.random.default_rng(3)
    labels = rng.integers(4, size=800)
    x = rng.normal(size=(6, 800, 3))
    x[0, :, 0], x[0, :, 1] = 2 * (labels % 2) - 1, 2 * (labels // 2) - 1
    accuracy = loaded("train_rnn").train(x, labels, width=16, epochs=20)
    assert accuracy >= 0.95
    assert "held out" in capsys.readouterr().err
