"""Broken parts are trained for two steps; a test of the training itself is marked slow."""

import brief
import pytest


@pytest.fixture(autouse=True)
def _train_briefly(request, monkeypatch):
    if request.node.get_closest_marker("slow") is None:
        brief.train_for(2, monkeypatch)
