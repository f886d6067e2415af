"""Measure frames a second of `reverie play`, on one core: the session alone, and through its socket.

    python bench/play.py runs/dreamer_v1-Pendulum-v1-0           # write bench/results/play.json
    python bench/play.py RUN --frames 200

Core time is the time of this process on all cores, so other programs on the machine do not count. Through the socket it
includes the client's reading of JSON. The real world's share is its physics and its drawing. `batch` is a step of 64
dreams as one vector environment.
"""

import argparse
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import gymnasium
import torch
from websockets.sync.client import connect

from reverie.play.opening import open_run
from reverie.play.server import listen
from reverie.play.wire import answer

RESULT = Path(__file__).parent / "results" / "play.json"
BATCH = 64
Ask = Callable[[dict[str, Any]], dict[str, Any]]


def measure(ask: Ask, how: str, frames: int) -> list[dict[str, Any]]:
    """Return a row for each pair of worlds and driver."""
    rows = []
    about = ask({"do": "describe"})
    for worlds in about["worlds"]:
        for driver in about["drivers"]:
            ask({"do": "reset", "worlds": worlds, "start": about["starts"][0], "seed": 0})
            step = {"do": "step", "driver": driver, "sampled": True}
            for _ in range(5):
                ask(step)
            ask({"do": "reset", "worlds": worlds, "start": about["starts"][0], "seed": 0})
            begin = time.perf_counter(), time.process_time()
            for _ in range(frames):
                ask(step)
            core, wall = time.process_time() - begin[1], time.perf_counter() - begin[0]
            row = {"how": how, "worlds": worlds, "driver": driver, "ms_of_a_core": round(1000 * core / frames, 2)}
            row |= {"frames_per_core_second": round(frames / core, 1), "frames_per_second": round(frames / wall, 1)}
            rows.append(row)
            print(" ".join(f"{name} {value}" for name, value in row.items()), flush=True)
    return rows


def batch(run: str, frames: int) -> float:
    """Return milliseconds of a core for a step of a batch of dreams."""
    name = "reverie_worlds:reverie/Dream-v0"
    with closing(gymnasium.make_vec(name, num_envs=BATCH, run=run, horizon=1_000)) as dreams:
        dreams.reset(seed=0)
        actions = [dreams.action_space.sample() for _ in range(frames)]
        dreams.step(actions[0])
        begin = time.process_time()
        for action in actions:
            dreams.step(action)
        return round(1000 * (time.process_time() - begin) / frames, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a run")
    parser.add_argument("--frames", type=int, default=90, help="frames of each measurement, less than an episode")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    open_session = open_run(arguments.run, device="cpu")
    with closing(open_session()) as session:
        rows = measure(lambda message: json.loads(json.dumps(answer(session, message))), "session", arguments.frames)
    with listen(open_session, port=0) as server:
        threading.Thread(target=server.serve).start()
        address = server.address.replace("http", "ws").replace("/?", "/socket?")
        with connect(address, origin=server.address.partition("/?")[0]) as socket:  # type: ignore[arg-type]

            def ask(message: dict[str, Any]) -> dict[str, Any]:
                socket.send(json.dumps(message))
                return json.loads(socket.recv())

            rows += measure(ask, "socket", arguments.frames)
    result = {
        "command": f"python bench/play.py RUN --frames {arguments.frames}",
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 2),
        "rows": rows,
        "batch": {"dreams": BATCH, "ms_of_a_core": batch(arguments.run, arguments.frames)},
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
