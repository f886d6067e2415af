"""Reverie's own environments, registered with Gymnasium when this package is imported, as any plug-in's are.

`gymnasium.make("reverie_worlds:reverie/Dream-v0", run=...)` imports it, and Reverie only when the environment is made.
"""

import gymnasium

EPISODES = {"curtain:Curtain": 1000, "fork:Fork": 1000, "rope:Rope": 20, "cloth:Cloth": 40}
"""Module and class -> steps after which an episode is cut."""

for _entry, _steps in EPISODES.items():
    gymnasium.register(f"reverie/{_entry.partition(':')[2]}-v0", f"reverie_worlds.{_entry}", max_episode_steps=_steps)

_PLAY = "reverie.play.environment"
gymnasium.register("reverie/Dream-v0", f"{_PLAY}:DreamEnv", vector_entry_point=f"{_PLAY}:DreamVectorEnv")
gymnasium.register("reverie/Filtered-v0", f"{_PLAY}:FilteredEnv")
