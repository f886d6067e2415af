"""One person's play: the dream, the real world beside it, and who is at the wheel. Actions in, moments out.

A session is a row of moments. Each moment holds the beliefs, so it can be gone back to, and another future begins
there. The real world goes back by playing its episode again from the seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from reverie.agents.agent import Agent, needs_goal, with_goal
from reverie.envs.base import Environment, Step, own_sampler
from reverie.envs.conversions import check_action
from reverie.errors import UserError
from reverie.evaluation import plan_picture
from reverie.evaluation.goals import CANDIDATES
from reverie.planning.actor import PlanningActor, PlanningNoise
from reverie.planning.objectives import GoalObjectiveConfig
from reverie.planning.random_shooting import RandomShootingConfig
from reverie.play.dream import Dream
from reverie.play.recorder import Recorder
from reverie.play.recordings import Memories, Recordings
from reverie.types import ActNoise, State

PERSON = "person"
LONGEST = 10_000
"""Moments of a session, at most."""
MOST_SHOWN, MOST_FRAMES = 40, 6
"""Candidates of a planner, and frames of its plan, that are shown, at most."""
Obs = dict[str, np.ndarray]


@dataclass(frozen=True)
class Stage:
    """What all sessions of a run share. Nothing in it changes."""

    name: str
    dream: Dream
    agents: dict[str, Agent]
    """Who can act beside a person: `policy`, `planner`."""
    recordings: Recordings | None = None
    memories: Memories | None = None
    """Draws the dream of a model that decodes nothing."""
    make: Callable[[], Environment] | None = None
    """Makes the real world; None where there is none, and `missing` says why."""
    missing: str = ""
    controls: dict[str, Any] | None = None
    """What `controls.describe` says of the actions."""


@dataclass(frozen=True)
class Side:
    """One of the two worlds at one moment. Numbers are in the environment's units, None where nothing predicts them."""

    belief: State
    obs: Obs
    """What is seen of it: images uint8 (h, w, c), vectors float32 (n,)."""
    reward: float | None
    """Of the step that led here: predicted in the dream, given in the real world."""
    value: float | None
    total: float
    """The sum of the rewards since the start."""
    over: bool
    """Whether the episode has ended here, or is predicted to."""


@dataclass(frozen=True)
class Moment:
    """Both worlds after so many decisions."""

    dream: Side
    real: Side | None
    action: Float[np.ndarray, " A"] | None
    """The action that led here; None at the start."""
    driver: str
    """Who chose it."""
    memory: Any
    """The actor's own state after it; None for a person."""
    surprise: float | None
    """Nats by which the real observation surprised the model."""


@dataclass(frozen=True)
class Candidates:
    """What a planner weighs at one moment, in the environment's units."""

    scores: list[float]
    rewards: list[list[float]]
    """Rewards of each step, predicted for some of the candidates; empty for a model without rewards."""
    executed: list[float]
    """The same for the plan whose first action is executed."""
    frames: list[Obs]
    """What the executed plan is predicted to look like."""


class World:
    """An environment that can go back: it plays the episode again."""

    def __init__(self, environment: Environment) -> None:
        self.environment, self.seed = environment, 0
        self.played: list[np.ndarray] | None = None
        """Actions of the present episode; None before the first."""

    def begin(self, seed: int) -> Step:
        self.seed, self.played = seed, []
        return self.environment.reset(seed)

    def go_to(self, actions: Sequence[np.ndarray]) -> None:
        """Bring the environment to where these actions of the episode lead."""
        played = self.played or []
        if len(played) != len(actions) or any(one is not other for one, other in zip(played, actions)):
            self.begin(self.seed)
            for action in actions:
                self.step(action)

    def step(self, action: np.ndarray) -> Step:
        assert self.played is not None
        self.played.append(action)
        return self.environment.step(action)


class Session:
    """Play of one person. Its methods return the moment that is now. `close` it."""

    def __init__(self, stage: Stage, seed: int = 0) -> None:
        self.stage, self.dream, self.recorder = stage, stage.dream, Recorder()
        self.world: World | None = None
        self.moments: list[Moment] = []
        self.now = 0
        """The number of the present moment; those after it are another future until the next step."""
        self.goal: Obs | None = None
        self.acting = dict(stage.agents)
        self.generator = torch.Generator(self.dream.device)
        self.reset("both" if stage.make else "dream", self.starts[0], seed)

    @property
    def starts(self) -> list[str]:
        """Where a dream may begin."""
        every = {"world": self.stage.make, "replay": self.stage.recordings, "prior": True}
        return [name for name, there in every.items() if there]

    @property
    def moment(self) -> Moment:
        return self.moments[self.now]

    def close(self) -> None:
        self.recorder.close()
        if self.world is not None:
            self.world.environment.close()

    def reset(self, worlds: str, start: str, seed: int, sampled: bool = False) -> Moment:
        """Begin anew: `both` worlds, or the `dream` alone from the `world`, a `replay` or the `prior`."""
        if worlds not in ("both", "dream") or start not in ("world", "replay", "prior"):
            raise UserError(f"There is no start {start!r} of {worlds!r}: take both or dream; world, replay or prior.")
        start = "world" if worlds == "both" else start
        if start == "world" and self.stage.make is None:
            raise UserError(f"There is no real world here: {self.stage.missing}")
        if start == "replay" and self.stage.recordings is None:
            raise UserError("The run has no recorded steps here: start from the prior.")
        self.generator.manual_seed(seed)
        real = None
        if start == "world":
            step = self._world().begin(seed)
            belief, surprise = self._see(self.dream.model.dynamics.initial(1), None, step, None)
            if worlds == "both":
                real = replace(self._begun(belief), obs=step.obs, over=step.is_last)
            if "goal" in step.obs:
                self.aim({next(iter(self.dream.spec.obs)): step.obs["goal"]})
        elif start == "replay" and self.stage.recordings is not None:
            rng = np.random.default_rng(seed)
            belief, surprise = self.dream.filter(self.stage.recordings.draw(1, rng, self.dream.device)), None
        else:
            belief, surprise = self.dream.begin(1, self.dream.noise(1, self.generator) if sampled else None), None
        if self.goal is None and any(map(needs_goal, self.stage.agents.values())):
            self._aim_at_recordings(seed)
        self.moments, self.now = [Moment(self._begun(belief), real, None, PERSON, None, surprise)], 0
        return self.moment

    def step(self, driver: str, action: np.ndarray | None = None, sampled: bool = False) -> Moment:
        """Play one decision of `driver`; a person brings the `action`. A future that was left behind is forgotten."""
        if self.now + 1 >= LONGEST:
            raise UserError(f"A session has {LONGEST:,} moments at most: rewind, or begin anew.")
        before, memory = self.moment, None
        if driver == PERSON:
            if action is None:
                raise UserError("A person at the wheel must give an action.")
            action = check_action(action, self.dream.spec.action).astype(np.float32)
        else:
            action, memory = self._decide(driver, sampled)
        tensor = torch.from_numpy(action)[None].to(self.dream.device)
        noise = self.dream.noise(1, self.generator) if sampled else None
        side = self._dreamed(self.dream.step(before.dream.belief, tensor, noise), before.dream.total)
        real, surprise = None, None
        if before.real is not None:
            real, surprise = self._play(before.real, action, sampled)
        del self.moments[self.now + 1 :]
        self.moments.append(Moment(side, real, action, driver, memory, surprise))
        self.now += 1
        if self.recorder.running:
            self.recorder.add(self.panels(self.moment))
        return self.moment

    def rewind(self, number: int) -> Moment:
        """Go to another moment. The next step branches off there."""
        self.now = min(max(number, 0), len(self.moments) - 1)
        return self.moment

    def wake(self) -> Moment:
        """Let the dream begin again at what is really seen now."""
        real = self.moment.real
        if real is None:
            raise UserError("Only beside the real world can the dream be brought back to it.")
        dreamed = replace(self._begun(real.belief), reward=real.reward, total=real.total)
        self.moments[self.now] = replace(self.moment, dream=dreamed)
        return self.moment

    def aim(self, goal: Obs) -> None:
        """Let agents that pursue a goal pursue this observation."""
        names = self.dream.spec.obs
        self.goal = {name: goal[name] for name in names}
        self.acting = {
            name: with_goal(agent, self.goal) if needs_goal(agent) else agent
            for name, agent in self.stage.agents.items()
        }
        if self.moments:  # plans towards another goal are no warm start
            self.moments[self.now] = replace(self.moment, driver=PERSON, memory=None)

    def aim_here(self) -> Moment:
        """Make what is seen now the goal."""
        self.aim((self.moment.real or self.moment.dream).obs)
        return self.moment

    def candidates(self) -> Candidates:
        """Return what the planner weighs at this moment. It is the search that it acts by, with mean noise."""
        agent = self._agent("planner")
        actor, model = agent.actor, self.dream.model
        assert isinstance(actor, PlanningActor)
        belief, memory = self._belief(), self._memory("planner")
        noise = self._legal(agent)
        with torch.no_grad():
            found = plan_picture.search(actor, belief, memory, noise)
            actions, scores = (torch.cat(part) for part in zip(*found.parts))
            shown = actions[torch.linspace(0, len(actions) - 1, min(MOST_SHOWN, len(actions))).long()]
            features = plan_picture.imagined_features(model, belief, torch.cat([found.executed, shown]))
            rewards: list[list[float]] = []
            if not isinstance(actor.config.objective, GoalObjectiveConfig):
                rewards = model.reward(features, in_env_units=True).tolist()
                scores = model.to_env_units(scores)
        steps = torch.linspace(0, features.shape[1] - 1, min(MOST_FRAMES, features.shape[1])).long()
        return Candidates(scores.tolist(), rewards[1:], rewards[0] if rewards else [], self._drawn(features[0, steps]))

    def panels(self, moment: Moment) -> dict[str, np.ndarray]:
        """Return the images of a moment by the names of the worlds. UserError if there is none."""
        sides = {"real world": moment.real, "dream": moment.dream}
        images = {
            world: next((x for x in side.obs.values() if x.ndim == 3), None)
            for world, side in sides.items()
            if side is not None
        }
        drawn = {world: image for world, image in images.items() if image is not None}
        if not drawn:
            raise UserError("There is no image to record: this agent sees numbers alone.")
        return drawn

    # ---- what a step consists of

    def _world(self) -> World:
        if self.world is None:
            assert self.stage.make is not None
            self.world = World(self.stage.make())
        return self.world

    def _see(
        self, belief: State, action: np.ndarray | None, step: Step, noise: torch.Tensor | None
    ) -> tuple[State, float]:
        names, device = self.dream.spec.obs, self.dream.device
        obs = {name: torch.from_numpy(step.obs[name])[None].to(device) for name in names}
        taken = np.zeros(self.dream.spec.action.size, np.float32) if action is None else action
        first = torch.tensor([step.is_first], device=device)
        corrected, surprise = self.dream.see(belief, torch.from_numpy(taken)[None].to(device), obs, first, noise)
        return corrected, float(surprise)

    def _play(self, before: Side, action: np.ndarray, sampled: bool) -> tuple[Side, float | None]:
        """Play the action in the real world, which stays as it is after its end."""
        if before.over:
            return before, None
        world = self._world()
        world.go_to(self._actions())
        step = world.step(action)
        noise = self.dream.noise(1, self.generator) if sampled else None
        belief, surprise = self._see(before.belief, action, step, noise)
        prediction = self.dream.predict(belief)
        value = None if prediction.value is None else float(prediction.value[0])
        return Side(belief, step.obs, step.reward, value, before.total + step.reward, step.is_last), surprise

    def _actions(self) -> list[np.ndarray]:
        """Return the actions that led to the present moment."""
        return [moment.action for moment in self.moments[1 : self.now + 1] if moment.action is not None]

    def _dreamed(self, belief: State, total: float) -> Side:
        prediction = self.dream.predict(belief)
        reward = None if prediction.reward is None else float(prediction.reward[0])
        value = None if prediction.value is None else float(prediction.value[0])
        over = bool(self.dream.ends and prediction.alive[0] < 0.5)
        obs = self._drawn(prediction.features)
        return Side(belief, obs[0] if obs else {}, reward, value, total + (reward or 0.0), over)

    def _begun(self, belief: State) -> Side:
        """Return a side to which no decision has led."""
        return replace(self._dreamed(belief, 0.0), reward=None, total=0.0)

    def _drawn(self, features: torch.Tensor) -> list[Obs]:
        """Return what (B, F) features look like: decoded, or remembered, or nothing."""
        if self.dream.draws:
            obs = self.dream.decode(features)
        elif self.stage.memories is not None:
            obs = self.stage.memories.nearest(features)
        else:
            return []
        return [{name: x[index] for name, x in obs.items()} for index in range(len(features))]

    # ---- who acts

    def _agent(self, driver: str) -> Agent:
        if driver not in self.acting:
            raise UserError(f"There is no {driver} here: {', '.join([PERSON, *self.acting])} can take the wheel.")
        return self.acting[driver]

    def _belief(self) -> State:
        """Return the belief of who acts: of the real world while it goes on, else of the dream."""
        real = self.moment.real
        return self.moment.dream.belief if real is None or real.over else real.belief

    def _memory(self, driver: str) -> Any:
        """Return the actor's state, a new one where another had the wheel."""
        if self.moment.driver == driver:
            return self.moment.memory
        return self._agent(driver).actor.initial(1)

    @torch.no_grad()
    def _decide(self, driver: str, sampled: bool) -> tuple[np.ndarray, Any]:
        agent = self._agent(driver)
        memory = self._memory(driver)
        search = self._legal(agent) or (agent.actor.noise(1, self.generator)[0] if sampled else None)
        noise = None if search is None else ActNoise(None, search, None)
        action, memory = agent.actor.act(self._belief(), memory, noise)
        return action[0].cpu().numpy(), memory

    def _legal(self, agent: Agent) -> PlanningNoise | None:
        """Return the actions that the real world proposes, for a planner that ranks single actions."""
        real = self.moment.real
        planner = getattr(agent.config.actor, "planner", None)
        ranks = isinstance(planner, RandomShootingConfig) and planner.horizon == 1
        if not ranks or real is None or real.over:
            return None
        world = self._world()
        if (sample := own_sampler(world.environment)) is None:
            return None
        world.go_to(self._actions())
        legal = sample(CANDIDATES, int(torch.randint(2**31, (1,), generator=self.generator)))
        return PlanningNoise(torch.from_numpy(legal)[None, :, None].to(self.dream.device), None)

    def _aim_at_recordings(self, seed: int) -> None:
        """Take a recorded observation as the goal, where the world shows none."""
        if self.stage.recordings is None:
            return
        batch = self.stage.recordings.draw(1, np.random.default_rng([seed, 1]), torch.device("cpu"))
        self.aim({name: batch.obs[name][0, -1].numpy() for name in self.dream.spec.obs})
