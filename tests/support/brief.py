"""Contract checks with their 50 steps of training, which are slow, and with two."""

import pytest

STEPS = [pytest.param(2, id="brief"), pytest.param(50, id="whole", marks=pytest.mark.slow)]


def train_for(steps, monkeypatch):
    monkeypatch.setattr("reverie.testing.complaints.STEPS", steps)


def complaints(check, config, steps, monkeypatch):
    """What a check with `steps` updates complains of; two need not cut a loss."""
    train_for(steps, monkeypatch)
    return [sentence for sentence in check(config) if steps == 50 or "must cut the loss" not in sentence]
