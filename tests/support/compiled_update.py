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

BATCH, LENGTH, UPDATES = 2, 2, 2


def losses(execution: Execution) -> list[dict[str, float]]:
    torch.manual_seed(0)
    spec, config = small_spec(image=0), small_model_config()
    model = WorldModel(config, spec)
    update = make_update(model, None, make_optimizers(config.optimizer, model, None), execution)
    found = []
    for seed in range(UPDATES):
        noise = draw_noise(model, None, BATCH, LENGTH, torch.Generator().manual_seed(seed))
        metrics = update(random_batch(spec, BATCH, LENGTH, seed), noise)
        found.append({name: x.item() for name, x in metrics.items()})
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    pairs = zip(losses("eager"), losses("compiled"))
    difference = max(abs(one[name] - other[name]) / max(1, abs(one[name])) for one, other in pairs for name in one)
    print(json.dumps({"difference": difference, "breaks": list(counters["graph_break"])}))
