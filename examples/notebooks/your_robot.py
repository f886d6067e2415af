# %% [markdown]
# # Your own robot's data
#
# You have a camera, a log of actions, and some numbers from sensors. You want a model of what actions do. In this
# lesson an arm with two joints is recorded, saved as arrays, and learned. Replace one cell by your own log, and the
# rest stays.
#
# The model is a recurrent state-space model. It sees the image $o_t$ and the joint angles $q_t$, and is given the
# action $a_t$. It learns to predict all later images from actions alone:
#
# $$
# p(o_{t+1}, \dots, o_{t+H} \mid o_{1:t}, q_{1:t}, a_{1:t+H-1})
# $$

# %%
import json
import os
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import torch

import reverie

UPDATES = int(os.environ.get("NOTEBOOK_UPDATES", 1_200))
"""Updates of the model. With 20 the notebook runs in seconds and shows nothing."""

# %% [markdown]
# ## Record
#
# **Replace this cell by your own log.** An episode is a mapping of arrays. One row belongs to one image, and its
# action was chosen after that image. Actions may have any unit: the least and largest recorded ones become -1 and 1.

# %%
rng = np.random.default_rng(0)
GRID = np.stack(np.meshgrid(np.linspace(-1.1, 1.1, 32), np.linspace(-1.1, 1.1, 32)), axis=-1)


def photograph(joints: np.ndarray) -> np.ndarray:
    """Return the camera's image (32, 32, 3) of an arm with these two joint angles."""
    elbow = 0.5 * np.array([np.cos(joints[0]), np.sin(joints[0])])
    hand = elbow + 0.5 * np.array([np.cos(joints.sum()), np.sin(joints.sum())])
    image = np.full((32, 32, 3), 0.15)
    for start, end, color in (((0, 0), elbow, (0.3, 0.5, 1.0)), (elbow, hand, (1.0, 0.6, 0.2))):
        start, along = np.asarray(start), np.asarray(end) - start
        nearest = np.clip(((GRID - start) @ along) / (along @ along), 0, 1)[..., None]
        distance = np.linalg.norm(GRID - start - nearest * along, axis=-1, keepdims=True)
        light = np.clip(2.0 - distance / 0.08, 0, 1)
        image = light * np.array(color) + (1 - light) * image
    return (255 * image).astype(np.uint8)


def record(steps: int) -> dict[str, np.ndarray]:
    """Return one episode: the joints turn by the commanded angles, in degrees."""
    joints, rows = rng.uniform(-np.pi, np.pi, 2), []
    for step in range(steps):
        if step % 4 == 0:  # a command is held for four images, so that the arm gets somewhere
            command = rng.uniform(-20, 20, 2)
        rows.append((photograph(joints), command, np.concatenate([np.sin(joints), np.cos(joints)]), joints))
        joints = joints + np.deg2rad(command)
    images, actions, angles, true = map(np.stack, zip(*rows))
    return {"images": images, "actions": actions, "joints": angles, "hand": hand_of(true)}


def hand_of(joints: np.ndarray) -> np.ndarray:
    """Return the place of the hand (N, 2)."""
    first, both = joints[:, 0], joints.sum(-1)
    return 0.5 * np.stack([np.cos(first) + np.cos(both), np.sin(first) + np.sin(both)], axis=-1)


episodes = [record(50) for _ in range(12 if UPDATES < 100 else 80)]

# %% [markdown]
# ## Save
#
# `save_recordings` writes one file, checks it, and returns the config that reads it. Films and tables of pandas are
# taken too. `privileged` names what the model must not see. It is for the evaluation: here the true place of the
# hand.

# %%
data = reverie.save_recordings(episodes, "arm.npz", image_size=32)
data = replace(data, privileged=("hand",))

# %% [markdown]
# ## Train
#
# Whole episodes are held out for the evaluation. `length` is the number of steps in a training sequence.

# %%
config = reverie.recipe("state_space", "laptop")
small = {"batch": 4, "length": 12} if UPDATES < 100 else {}
training = replace(config.training, updates=UPDATES, evaluate_every=max(10, UPDATES // 4), **small)
folder = reverie.train(replace(config, data=data, training=training, threads=1, log={}), progress=False)

values = json.loads((folder / "evaluation.json").read_text())
print({name: round(values[name], 3) for name in ("image_error", "copy_error", "probe")})

# %% [markdown]
# `image_error` is the error of imagined images, of 255. `copy_error` is that of repeating the last image seen: a
# model must be better than that. `probe` says how well a linear map reads the place of the hand from the latent
# space.
#
# ## Look
#
# The run has drawn `prediction.png`: held-out episodes, and below each what the model imagines after five images. Here
# is its upper half.

# %%
picture = plt.imread(folder / "prediction.png")
picture = picture[: len(picture) * 7 // 13]  # the head, and three of six sequences
figure, axis = plt.subplots(figsize=(9, 9 * picture.shape[0] / picture.shape[1]), layout="constrained")
axis.imshow(picture)
axis.axis("off")
figure.savefig("your_robot.png", dpi=80)

# %% [markdown]
# ## Use it
#
# The model is a function. A belief follows from images and actions. Then any plan can be tried without the robot:
# here turning the first joint by 10 degrees, eight times.

# %%
from reverie import tree
from reverie.dynamics.rollout import imagine
from reverie.types import Batch

model = reverie.load_model(folder, device="cpu")
episode, seen = record(20), 6
bounds = json.loads((folder / "actions.json").read_text())
low, high = (torch.tensor(bounds[name], dtype=torch.float32) for name in ("low", "high"))


def scaled(action: np.ndarray) -> torch.Tensor:
    """Return actions in the model's unit, -1 to 1."""
    return 2 * (torch.as_tensor(action, dtype=torch.float32) - low) / (high - low) - 1


flags = torch.zeros(1, seen, dtype=torch.bool)
batch = Batch(
    {
        "pixels": torch.from_numpy(episode["images"][None, :seen]),
        "joints": torch.from_numpy(episode["joints"][None, :seen].astype(np.float32)),
    },
    scaled(episode["actions"])[None, :seen],
    torch.zeros(1, seen),
    *(flags, flags, flags),
)
with torch.no_grad():
    belief = model.trace(batch, None).posterior
    last = tree.map(lambda x: x[:, -1], belief)
    turn = scaled(np.tile([10.0, 0.0], (8, 1)))[None]
    futures = imagine(model.dynamics, last, turn, None)
    images = model.decode(model.dynamics.features(futures), in_env_units=True)["pixels"][0]

figure, axis = plt.subplots(figsize=(9, 1.6), layout="constrained")
axis.imshow(np.hstack([episode["images"][seen - 1], *images.round().byte().numpy()]))
axis.set(title="the last image, and the imagined results of one plan", xticks=[], yticks=[])
figure.savefig("your_robot_plan.png", dpi=80)

# %% [markdown]
# ## Exercises
#
# 1. Remove `joints` from the recordings. How much worse is the imagination, and why so little or so much?
# 2. Make the camera late by one image: `images = np.roll(images, 1, axis=0)`. Which number of the evaluation tells
#    you?
# 3. Record `rewards`, such as minus the distance of the hand to a place. Set `behavior=reverie.PlanningConfig()` in the
#    config: then `reverie.load(folder)` is an agent that plans.
#
# Read on: [for the roboticist](../../docs/guides/roboticist.md), [state-space
# models](../../docs/concepts/state_space.md).
