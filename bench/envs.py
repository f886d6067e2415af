"""Observations a second: our environments, and Gymnasium and dm_control as shipped, in turns on one core.

    python bench/envs.py              measure; writes bench/results/envs.json
    python bench/envs.py --picture    draw docs/images/rendering.png and print the mean pixel change
    python bench/envs.py --deformable draw docs/images/rope.png and cloth.png: moments of a few actions on each
    python bench/envs.py --endurance  10,000 random actions on each under changing physics, and 1,000 at each extreme of
                                      the randomization; writes bench/results/endurance.json

All play random actions and observe 64 x 64 pixels. One observation is one decision. The turns alternate within one
run, so a machine of varying speed is fair to all. The numbers are medians over the rounds. Rates are per second of
core time, since other processes may use the core too. Core time does not include drawing on a GPU: for that, see the
rates of the clock.
"""

import argparse
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

CORE = max(os.sched_getaffinity(0))
os.sched_setaffinity(0, {CORE})  # before a library starts a thread for each core

import numpy as np  # noqa: E402

from reverie.envs import EnvConfig, make  # noqa: E402
from reverie.envs.dm_control import PUBLISHED_TASKS  # noqa: E402
from reverie.evaluation.films import mosaic, write_image  # noqa: E402

ROOT = Path(__file__).parent.parent
SIZE = 64
TASKS = ("cartpole_swingup", "cheetah_run", "walker_walk")
DEFORMABLE = {"rope": "reverie/Rope-v0", "cloth": "reverie/Cloth-v0"}
Turn = Callable[[int], None]
"""Plays so many decisions."""


@dataclass(frozen=True)
class Contestant:
    world: str
    how: str
    frames: int
    """Environment frames in a decision."""
    turn: Turn
    close: Callable[[], None]


def ours(world: str, config: EnvConfig) -> Contestant:
    environment = make(config)
    rng = np.random.default_rng(0)
    step = environment.reset(0)

    def turn(decisions: int) -> None:
        nonlocal step
        for _ in range(decisions):
            action = rng.uniform(-1, 1, environment.spec.action.size).astype(np.float32)
            step = environment.reset(0) if step.is_last else environment.step(action)

    return Contestant(world, f"reverie {config.rendering}", config.repeat, turn, environment.close)


def deformable(name: str) -> Contestant:
    """Rope or cloth: one action and its observation, and 1/20 or 1/40 of the start of an episode."""
    return ours(name, EnvConfig(DEFORMABLE[name], observe=("pixels", "goal"), image_size=SIZE))


def gymnasium_as_shipped() -> Contestant:
    """Gymnasium's own wrappers: render a frame and resize it."""
    import gymnasium
    from gymnasium.wrappers import AddRenderObservation, ResizeObservation

    environment = gymnasium.make("Pendulum-v1", render_mode="rgb_array")
    environment = ResizeObservation(AddRenderObservation(environment, render_only=True), (SIZE, SIZE))
    environment.reset(seed=0)
    rng = np.random.default_rng(0)

    def turn(decisions: int) -> None:
        for _ in range(decisions):
            if environment.step(rng.uniform(-2, 2, 1).astype(np.float32))[3]:
                environment.reset()

    return Contestant("pendulum", "gymnasium as shipped", 1, turn, environment.close)


def dm_control_as_shipped(name: str, *, every_frame: bool) -> Contestant:
    """Render once a decision, or by dm_control's pixel wrapper, which renders every repeated frame."""
    from dm_control import suite
    from dm_control.suite.wrappers import pixels

    task = PUBLISHED_TASKS[name]
    environment = suite.load(task.domain, task.task, task_kwargs={"random": 0})
    view = {"height": SIZE, "width": SIZE, "camera_id": task.camera}
    if every_frame:
        environment = pixels.Wrapper(environment, render_kwargs=view)
    physics, spec = environment.physics, environment.action_spec()
    environment.reset()
    rng = np.random.default_rng(0)

    def turn(decisions: int) -> None:
        for _ in range(decisions):
            action = rng.uniform(spec.minimum, spec.maximum)
            for _ in range(task.repeat):
                environment.step(action)
            if not every_frame:
                physics.render(**view)

    how = "dm_control pixels.Wrapper" if every_frame else "dm_control physics.render"
    return Contestant(name, how, task.repeat, turn, environment.close)


def contestants() -> list[Contestant]:
    field = [ours("pendulum", EnvConfig("Pendulum-v1", image_size=SIZE)), gymnasium_as_shipped()]
    for name in TASKS:
        task = PUBLISHED_TASKS[name]
        for rendering in ("stock", "fast"):
            field.append(ours(name, EnvConfig(task.id, rendering=rendering, repeat=task.repeat, image_size=SIZE)))
        field += [dm_control_as_shipped(name, every_frame=every_frame) for every_frame in (False, True)]
    return field + [deformable(name) for name in DEFORMABLE]


def measure(rounds: int, decisions: int) -> list[dict]:
    """Return a row for each contestant. Ratios are to the best of its world as shipped, in core time."""
    field = contestants()
    wall: list[list[float]] = [[] for _ in field]
    core: list[list[float]] = [[] for _ in field]
    for contestant in field:
        contestant.turn(10)
    for _ in range(rounds):
        for index, contestant in enumerate(field):
            begin = time.perf_counter(), time.process_time()
            contestant.turn(decisions)
            wall[index].append((time.perf_counter() - begin[0]) / decisions)
            core[index].append((time.process_time() - begin[1]) / decisions)
    for contestant in field:
        contestant.close()
    rows = []
    for index, contestant in enumerate(field):
        rate = 1 / statistics.median(core[index])
        rows.append(
            {
                "world": contestant.world,
                "how": contestant.how,
                "observations_per_core_second": round(rate, 1),
                "ms_per_observation_and_core": round(1000 / rate, 2),
                "frames_per_core_second": round(rate * contestant.frames, 1),
                "fastest_and_slowest_round": [round(1 / min(core[index]), 1), round(1 / max(core[index]), 1)],
                "observations_per_second_of_the_clock": round(1 / statistics.median(wall[index]), 1),
            }
        )
    for row in rows:
        others = [other for other in rows if other["world"] == row["world"] and not other["how"].startswith("reverie")]
        if others:
            best = max(other["observations_per_core_second"] for other in others)
            row["times_as_shipped"] = round(row["observations_per_core_second"] / best, 2)
    return rows


def machine() -> dict:
    with open("/proc/cpuinfo") as cpuinfo:
        models = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    packages = ("numpy", "gymnasium", "pygame-ce", "opencv-python-headless", "mujoco", "dm_control")
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "cores_used": 1,
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "gl": gl_renderer(),
    }


def gl_renderer() -> str:
    """Return the OpenGL backend and the name of its driver."""
    environment = make(EnvConfig(PUBLISHED_TASKS[TASKS[0]].id))
    environment.reset(0)
    from OpenGL import GL  # after dm_control, which sets PyOpenGL's platform

    name = GL.glGetString(GL.GL_RENDERER).decode()
    environment.close()
    return f"{os.environ['MUJOCO_GL']}, {name}"


def pictures(name: str, rendering: str, decisions: tuple[int, ...] = (0, 10, 20, 30, 40, 50)) -> np.ndarray:
    """Return frames of one random episode, (len(decisions), SIZE, SIZE, 3)."""
    task = PUBLISHED_TASKS[name]
    environment = make(EnvConfig(task.id, rendering=rendering, repeat=task.repeat, image_size=SIZE))
    rng = np.random.default_rng(0)
    images = [environment.reset(0).obs["pixels"]]
    for _ in range(decisions[-1]):
        action = rng.uniform(-1, 1, environment.spec.action.size).astype(np.float32)
        images.append(environment.step(action).obs["pixels"])
    environment.close()
    return np.stack([images[index] for index in decisions]).astype(int)


def draw_picture(path: Path) -> None:
    """Draw a row for each task: stock, fast, and their absolute difference times two."""
    rows = []
    for name in TASKS:
        stock, fast = pictures(name, "stock"), pictures(name, "fast")
        difference = np.abs(stock - fast)
        print(f"{name}: mean pixel change {difference.mean():.2f} of 255, over {len(stock)} frames")
        rows.append([image.astype(np.uint8) for image in (stock[-1], fast[-1], (2 * difference[-1]).clip(0, 255))])
    write_image(path, mosaic(rows, row_labels=TASKS, column_labels=("stock", "fast", "difference x 2")))
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def draw_deformables(folder: Path, columns: int = 6, size: int = 160) -> None:
    """Draw a row for each action: moments of it, and at the right the end of it with its arrow."""
    from reverie_worlds.cloth import Cloth
    from reverie_worlds.rope import Rope

    shown = {
        "rope": (Rope, "horizontal", [[0, 0, 0, 1], [0, 0.75, -1, 0.7], [0, -0.4, 0.5, -1]]),
        "cloth": (Cloth, "flat", [[-0.4, -0.4, 1, -1, 0.8], [0.4, 0.4, 0, 1, -0.5], [0, 0, 1, 0, 1]]),
    }
    for name, (kind, start, actions) in shown.items():
        world, rows = kind(render_mode="rgb_array", render_size=size), []
        for action in actions:
            world.reset(seed=0)
            world.place(start, world.np_random)
            frames: list[np.ndarray] = []
            world.watch = lambda world=world, frames=frames: frames.append(
                world.picture(world.points, world.look, size)
            )
            world.step(np.array(action, float))
            world.watch = None
            moments = np.linspace(0, len(frames) - 1, columns - 1).round().astype(int)
            rows.append(np.concatenate([*(frames[moment] for moment in moments), world.render()], 1))
        path = write_image(folder / f"{name}.png", np.concatenate(rows))
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def endure(actions: int = 10_000, in_a_corner: int = 1_000) -> dict:
    """Count MuJoCo's warnings and measure deformation, under changing physics and at every extreme of it."""
    from reverie_worlds.cloth import Cloth
    from reverie_worlds.rope import Rope

    results = {
        name: changing(kind, actions) | {"corners": corners(kind, in_a_corner)}
        for name, kind in {"rope": Rope, "cloth": Cloth}.items()
    }
    return {
        "command": "python bench/envs.py --endurance",
        "actions": actions,
        "actions_in_a_corner": in_a_corner,
    } | results


def warnings_of(world) -> int:
    """Return the number of MuJoCo's warnings since the last `reset` or `place`."""
    return sum(warning.number for warning in world.physics.warning)


def corners(kind: type, actions: int) -> list[dict]:
    """Return a row for each corner of `physics_space`, of legal actions, twenty a start. Failures are warnings."""
    world, rows = kind(), []
    for extremes in itertools.product(*kind.physics_space.values()):
        rng, factors = np.random.default_rng(0), dict(zip(kind.physics_space, extremes))
        world.reset(seed=0)
        world.set_physics(factors)
        failures, farthest = 0, 0.0
        for number in range(actions):
            if number % 20 == 0:
                world.place("random", rng)
            action, before = world.reverie_sample_actions(1, rng)[0], warnings_of(world)
            world.drag(world.pick(action[:2]), action[2:] * world.reach)
            failures += warnings_of(world) > before
            farthest = max(farthest, float(np.abs(world.points[:, :2]).max()))
        rows.append({"factors": factors, "failures": failures, "farthest_from_the_middle_m": round(farthest, 4)})
        print(
            f"{kind.__name__} {factors}: {failures} failures of {actions}, {farthest:.4f} m from the middle", flush=True
        )
    return rows


def changing(kind: type, actions: int) -> dict:
    """Measure uniform actions under a new look and new physics at each."""
    from reverie_worlds.cloth import GRID, TRIANGLES
    from reverie_worlds.rope import SEGMENT, Rope

    edges = np.unique(np.sort(np.concatenate([TRIANGLES[:, two] for two in ([0, 1], [1, 2], [0, 2])]), 1), axis=0)
    lengths = np.linalg.norm(GRID[edges[:, 0]] - GRID[edges[:, 1]], axis=1)
    world, rng = kind(randomize="step"), np.random.default_rng(0)
    strays, deviations, failures = [], [], 0
    begin = time.process_time()
    for number in range(actions):
        if number % 500 == 0:  # long episodes: faults have time to build up
            world.reset(seed=number)
        before = warnings_of(world)
        world.step(rng.uniform(-1, 1, world.action_space.shape))
        failures += warnings_of(world) > before
        points = world.points
        strays.append(np.abs(points[:, :2]).max())
        if kind is Rope:  # the bend between two segments gives the distance of their middles
            bends = world.physics.qpos[3:]
            length = np.linalg.norm(np.diff(points, axis=0), axis=1) / (SEGMENT * np.cos(bends / 2))
        else:
            length = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1) / lengths
        deviations.append([np.abs(length - 1).max(), np.sqrt(np.square(length - 1).mean()), abs(length.mean() - 1)])
    spent = (time.process_time() - begin) / actions * 1000
    farthest = float(max(strays))
    summary = f"{actions} actions, {spent:.1f} ms each, {failures} failures, {farthest:.4f} m from the middle"
    print(f"{kind.__name__}: {summary}", flush=True)
    shape = {}
    for what, column in zip(("of one edge", "root mean square", "of the mean edge"), np.array(deviations).T):
        half, most, worst = map(float, np.quantile(column, [0.5, 0.99, 1]))
        print(f"  deviation of length, {what}: median {half:.2%}, 99 of 100 {most:.2%}, worst {worst:.2%}")
        shape[what] = {"median": round(half, 5), "99 of 100": round(most, 5), "worst": round(worst, 5)}
    return {"failures": failures, "farthest_from_the_middle_m": round(farthest, 4), "deviation_of_length": shape}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", action="store_true", help="draw docs/images/rendering.png instead")
    parser.add_argument("--deformable", action="store_true", help="draw docs/images/rope.png and cloth.png instead")
    parser.add_argument("--endurance", action="store_true", help="play rope and cloth to their extremes instead")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--decisions", type=int, default=12, help="decisions in a contestant's turn")
    arguments = parser.parse_args()
    if arguments.picture:
        draw_picture(ROOT / "docs" / "images" / "rendering.png")
        return
    if arguments.deformable:
        draw_deformables(ROOT / "docs" / "images")
        return
    if arguments.endurance:
        results = endure()
        (ROOT / "bench" / "results" / "endurance.json").write_text(json.dumps(results, indent=1) + "\n")
        return
    description = machine()
    rows = measure(arguments.rounds, arguments.decisions)
    result = {
        "command": f"python bench/envs.py --rounds {arguments.rounds} --decisions {arguments.decisions}",
        "machine": description,
        "rounds": arguments.rounds,
        "decisions_per_round": arguments.decisions,
        "rows": rows,
    }
    (ROOT / "bench" / "results" / "envs.json").write_text(json.dumps(result, indent=1) + "\n")
    columns = [name for name, value in rows[0].items() if isinstance(value, float)]
    print(f"{'':46}" + "".join(f"{name.replace('_', ' '):>38}" for name in columns))
    for row in rows:
        print(f"{row['world']:18}{row['how']:28}" + "".join(f"{row.get(name, '-'):>38}" for name in columns))


if __name__ == "__main__":
    main()
