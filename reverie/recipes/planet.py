"""PlaNet: plan in the latent space of a recurrent state-space model, anew at every decision.

Hafner 2019 ("Learning Latent Dynamics for Planning from Pixels"). The planner collects the training data of the model.
There is no policy and no value.

Sizes:
- `tiny`: for tests.
- `small`: Dreamer V1's, for images of at most 16 pixels, with the planner of `laptop`.
- `laptop`: Dreamer V1's laptop size, its model and its exploration, and a planner with a tenth of PlaNet's evaluations.
- `paper`: the network and schedule of the published code (google-research/planet, revision 0c6f7d3).

Departures at size `paper`:
- Images of five bits are the centers of their bins. The published ones have uniform noise within a bin, which fills the
  gaps between shades.
- Candidates are scored by the mean transition. The published planner samples one for each candidate, so a candidate can
  win by luck.
- Rewards of a plan have no discount, as in the text. That revision discounts them by 0.99.
- The ball and the cup hold an action for four frames, as in the text. That revision has six.
- All episodes are drawn alike. The published code reads a new one at once, so it learns from it a little earlier.

The published deterministic model has no divergence loss, so nothing draws its beliefs to its predictions:
`--model.dynamics RNN --model.weights.divergence 0`.

Another planner or model is one `replace`: `replace(config, behavior=PlanningConfig(MPPIConfig()))`.
"""

from dataclasses import replace
from typing import cast

from reverie.dynamics.latents import GaussianConfig
from reverie.dynamics.rssm import RSSMConfig
from reverie.learners.actor_critic import ActorCriticConfig
from reverie.nn.conv import ConvConfig
from reverie.nn.mlp import MLPConfig
from reverie.nn.optimizer import AdamConfig
from reverie.planning.actor import PlanningConfig
from reverie.planning.cem import CEMConfig, ICEMConfig
from reverie.recipes.dreamer_v1 import dreamer_v1, world_model
from reverie.recipes.presets import online_preset, planet_repeat, published_protocol, whole_replay
from reverie.runs.config import OnlineConfig, TrainingConfig
from reverie.signals.divergence import DivergenceConfig
from reverie.signals.reward import ContinuationConfig

SIZES = ("tiny", "small", "laptop", "paper")
EPISODE = 1_000
"""Frames of an episode of DeepMind Control."""
LAPTOP = ICEMConfig(candidates=270, elites=27, iterations=6)
"""1,045 evaluations a decision. They reach the return of PlaNet's 10,000; half as many lose one of ten starts.

This is measured by `python -m studies planners`, in one model."""


def planet(size: str, env_id: str | None) -> OnlineConfig:
    if size == "paper":
        return paper(env_id or "dm_control/cheetah-run-v0")
    base = dreamer_v1(size, env_id)
    planner = ICEMConfig(horizon=4, candidates=16, elites=2) if size == "tiny" else LAPTOP
    env = replace(base.env, repeat=planet_repeat(base.env.id, base.env.repeat))

    def same_frames(decisions: int) -> int:
        """Return the decisions that take as many frames here as `decisions` take with the base's action repeat."""
        return max(1, decisions * base.env.repeat // env.repeat)

    rhythm, checkpoint = same_frames(base.training.round), same_frames(base.training.checkpoint_every)
    training = replace(base.training, round=rhythm, checkpoint_every=checkpoint)
    behavior = PlanningConfig(planner, exploration=cast(ActorCriticConfig, base.behavior).policy.exploration)
    return replace(base, recipe="planet", env=env, behavior=behavior, training=training)


def paper(env_id: str) -> OnlineConfig:
    """Hafner 2019, Sec. 4 and App. A, and the settings of its published code."""
    _, run = online_preset("paper", env_id)
    repeat = planet_repeat(env_id, run.env.repeat)
    relu, divergence = MLPConfig(2, 100, "relu"), DivergenceConfig(free=3.0, variant="element")
    dynamics = RSSMConfig(200, 200, GaussianConfig(30), "relu", gate_bias=1.0, cell="reset_first")
    end = ContinuationConfig(relu) if published_protocol(env_id).terminates else None
    model = world_model(ConvConfig(32, "relu"), relu, dynamics, divergence, relu, end, {"reward": 10.0})
    training = TrainingConfig(
        frames=1_000 * EPISODE, prefill=5 * EPISODE, pretrain=100, round=EPISODE // repeat, updates=100, batch=50,
        length=50, checkpoint_every=10 * EPISODE // repeat,
    )  # fmt: skip
    ramp = 10_000 // training.batch  # the published code counts sequences
    adam = AdamConfig(lr=1e-3, eps=1e-4, epsilon_hat=True, clip=1000.0, warmup=ramp)
    return replace(
        run,
        recipe="planet",
        env=replace(run.env, repeat=repeat),
        replay=whole_replay(training.frames, repeat),
        model=replace(model, encoder=replace(model.encoder, bits=5), optimizer=adam),
        behavior=PlanningConfig(CEMConfig(), warm_start=False, exploration=0.3),
        training=training,
    )
