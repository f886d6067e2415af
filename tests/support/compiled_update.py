"""Compare compiled updates of a tiny world model with eager ones, and print the difference and why graphs broke.

In a process of its own: PyTorch's compiler would trace the checks of annotations that the tests put around functions.
"""

import json

import torch
from torch._dynamo.utils import counters

from reverie.models.world_model import WorldModel
from reverie.runs.execution import Execution
from reverie.runs.update import draw_noise, make_optimizers, make_update
from reverie.testing.batches import random_batch, small_model_config, small_spec

BATCH, LENGTH = 2, 2


def updated(execution: Execution) -> dict[str, float]:
    """Return the metrics of one update, and the sum of each parameter after it."""
    torch.manual_seed(0)
    spec, config = small_spec(image=0), small_model_config()
    model = WorldModel(config, spec)
    update = make_update(model, None, make_optimizers(config.optimizer, model, None), execution)
    noise = draw_noise(model, None, BATCH, LENGTH, torch.Generator().manual_seed(0))
    metrics = update(random_batch(spec, BATCH, LENGTH), noise)
    return {name: x.sum().item() for name, x in (metrics | dict(model.named_parameters())).items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    eager, compiled = updated("eager"), updated("compiled")
    difference = max(abs(eager[name] - compiled[name]) / max(1, abs(eager[name])) for name in eager)
    print(json.dumps({"difference": difference, "breaks": list(counters["graph_break"])}))
