"""Contract checks train for 50 steps, which is slow. Quick tests train for two."""

import pytest

STEPS = [pytest.param(2, id="brief"), pytest.param(50, id="whole", marks=pytest.mark.slow)]


def train_for(steps, monkeypatch):
    monkeypatch.setattr("reverie.testing.contract.STEPS", steps)


def violations(check, config, steps, monkeypatch):
    """Run a check with `steps` updates. Two updates need not reduce a loss, so that rule counts with 50 only."""
    train_for(steps, monkeypatch)
    return [sentence for sentence in check(config) if steps == 50 or "must reduce the loss" not in sentence]
