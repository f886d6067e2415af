"""PlaNet: plan in the latent space of a recurrent state-space model, anew at every decision.

Hafner 2019 ("Learning Latent Dynamics for Planning from Pixels"). The model is learned from what the planner collects;
there is no policy and no value.

Reading path:
    reverie/recipes/planet.py               this file: what is put together
    reverie/dynamics/rssm.py                the latent model (rnn.py, ssm.py, deterministic.py: its ablations)
    reverie/signals/                        what it learns from
    reverie/planning/actor.py      planner, objective and model joined (cem.py: the planner itself)
    reverie/runs/loop.py                        the training loop

Sizes: `tiny` for tests; `laptop` has the model of Dreamer V1's laptop size and a planner with a tenth of PlaNet's
evaluations; `paper` is the published network and schedule, but for its images of 5 bits (8 here), its learning rate's
ramp (none here) and the transitions in a plan, which it samples for each candidate (means here).
Another planner or model is one `replace`: `replace(config, behavior=PlanningConfig(MPPIConfig()))`.
"""

from dataclasses import replace

from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.envs.base import EnvConfig
from reverie.models.world_model import WorldModelConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.encoder import EncoderConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.recipes.dreamer_v1 import dreamer_v1, family
from reverie.runs.config import EvaluationConfig, OnlineConfig, TrainingConfig
from reverie.signals import SignalConfig
from reverie.signals.continuation import ContinuationConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reconstruction import ReconstructionConfig
from reverie.signals.reward import RewardConfig

REPEATS = {"cartpole": 8, "reacher": 4, "cheetah": 4, "ball_in_cup": 4, "cup": 4, "finger": 2, "walker": 2}
"""Hafner 2019, Tab. 2; other domains get 2."""
EPISODE = 1_000
"""Frames of an episode of DeepMind Control."""
LAPTOP = ICEMConfig(candidates=270, elites=27, iterations=6)
"""1,045 evaluations a decision: the quickest with the return of PlaNet's 10,000 (`python -m studies planners`)."""


def planet(size: str, env_id: str | None) -> OnlineConfig:
    """The config of one size, for one environment."""
    if size == "paper":
        return paper(env_id or "dm_control/cheetah-run-v0")
    base = dreamer_v1(size, env_id)
    planner = ICEMConfig(horizon=4, candidates=16, elites=2) if size == "tiny" else LAPTOP
    env = replace(base.env, repeat=repeat(base.env.id, base.env.repeat))

    def as_often(decisions: int) -> int:
        """Per frame as often as the base does, whatever the repeat is."""
        return max(1, decisions * base.env.repeat // env.repeat)

    given = base.training
    training = replace(given, round=as_often(given.round), checkpoint_every=as_often(given.checkpoint_every))
    return replace(base, recipe="planet", env=env, behavior=PlanningConfig(planner), training=training)


def repeat(env_id: str, otherwise: int) -> int:
    """The published action repeat of a DeepMind Control task."""
    if not env_id.startswith("dm_control/"):
        return otherwise
    domain = env_id.removeprefix("dm_control/").replace("_", "-").split("-")[0]
    return REPEATS.get({"ball": "ball_in_cup"}.get(domain, domain), 2)


def paper(env_id: str) -> OnlineConfig:
    """Hafner 2019, Sec. 4 and App. A, and the settings of its published code."""
    control = env_id.startswith("dm_control/")
    relu = MLPConfig(2, 100, "relu")
    conv = ConvConfig(32, "relu")
    signals: dict[str, SignalConfig] = {
        "reconstruction": ReconstructionConfig(conv, relu),
        "reward": RewardConfig(relu),
        "divergence": DivergenceConfig(free=3.0, variant="element"),
    }
    if not control:
        signals["continuation"] = ContinuationConfig(relu)
    model = WorldModelConfig(
        encoder=EncoderConfig(conv, relu),
        dynamics=RSSMConfig(200, 200, GaussianConfig(30), "relu", gate_bias=1.0),
        signals=signals,
        weights=dict.fromkeys(signals, 1.0) | {"reward": 10.0},
        optimizer=AdamConfig(lr=1e-3, eps=1e-4, clip=1000.0),
    )
    frames = repeat(env_id, family(env_id, 64).repeat)
    return OnlineConfig(
        recipe="planet",
        size="paper",
        env=EnvConfig(id=env_id, image_size=64, repeat=frames),
        model=model,
        behavior=PlanningConfig(CEMConfig(), warm_start=False, exploration=0.3),
        training=TrainingConfig(
            frames=1_000 * EPISODE,
            prefill=5 * EPISODE,
            pretrain=100,
            round=EPISODE // frames,
            updates=100,
            batch=50,
            length=50,
            checkpoint_every=10 * EPISODE // frames,
        ),
        evaluation=EvaluationConfig(every=10 * EPISODE, episodes=1),
    )
