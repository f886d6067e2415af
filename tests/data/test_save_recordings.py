"""Recordings that lie in Python become a file and the config that reads it."""

import av
import numpy as np
import pytest
import torch
from PIL import Image

from reverie import save_recordings
from reverie.errors import UserError
from reverie.spaces import Space


def rows(episodes: int = 3, length: int = 6) -> dict[str, np.ndarray]:
    """Row n shows the gray n, was acted on by [n, 2 n] and had the state [n]."""
    n = np.arange(episodes * length)
    return {
        "images": np.broadcast_to(n[:, None, None, None], (len(n), 12, 10, 3)).astype(np.uint8),
        "actions": np.stack([n, 2 * n], 1),
        "state": n[:, None].astype(float),
        "episode": np.repeat(np.arange(episodes), length),
    }


def read(config, folder):
    recorded = config.build(folder / "run", 0, torch.device("cpu"), torch.Generator())
    recorded.load(lambda text: None)
    return recorded


def require_rows(config, folder):
    """Two of three episodes are learned from, and each shows what its rows show."""
    ring = read(config, folder).train.ring
    assert ring["obs/state"][:, 0].tolist() == list(range(6, 18))
    assert ring["obs/pixels"].float().mean((1, 2, 3)).tolist() == list(range(6, 18))
    np.testing.assert_allclose(ring["action"][0], [2 * 6 / 16 - 1] * 2, atol=1e-6)
    assert ring["is_first"].nonzero()[:, 0].tolist() == [0, 6]


def test_arrays_are_saved(tmp_path):
    config = save_recordings(rows(), tmp_path / "mine.npz", image_size=8)
    assert (config.image_size, config.file) == (8, str(tmp_path / "mine.npz"))
    require_rows(config, tmp_path)


def test_a_list_of_episodes_is_saved(tmp_path):
    whole = rows()
    del whole["episode"]
    episodes = [{name: x[6 * e : 6 * e + 6] for name, x in whole.items()} for e in range(3)]
    require_rows(save_recordings(episodes, tmp_path / "mine.npz"), tmp_path)


def test_a_table_of_pandas_is_saved(tmp_path):
    pandas = pytest.importorskip("pandas")
    whole = rows()
    table = pandas.DataFrame({"dx": whole["actions"][:, 0], "dy": whole["actions"][:, 1], "x": whole["state"][:, 0]})
    table["trial"], table["camera"] = whole["episode"], list(whole["images"])
    columns = {"images": "camera", "actions": ["dx", "dy"], "state": ["x"], "episode": "trial"}
    require_rows(save_recordings(table, tmp_path / "mine.npz", columns), tmp_path)
    for number, image in enumerate(whole["images"]):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    table["camera"] = [str(tmp_path / f"{number}.png") for number in range(len(table))]
    require_rows(save_recordings(table, tmp_path / "mine.npz", columns), tmp_path)


def test_the_frames_of_a_video_are_images(tmp_path):
    with av.open(str(tmp_path / "camera.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 32, 16, "yuv420p"
        for level in range(0, 180, 10):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((16, 32, 3), level, np.uint8), "rgb24")))
        film.mux(stream.encode())
    arrays = rows() | {"front": tmp_path / "camera.mp4"}
    recorded = read(save_recordings(arrays, tmp_path / "mine.npz", image_size=8, aspect="crop"), tmp_path)
    assert recorded.spec.obs["front"] == Space((8, 8, 3), "uint8")
    levels = recorded.train.ring["obs/front"].float().mean((1, 2, 3))
    np.testing.assert_allclose(levels, np.arange(60, 180, 10), atol=4)


@pytest.mark.parametrize(
    ("recordings", "settings", "sentence"),
    [
        (3, {}, "Recordings are a mapping of arrays, a list of such episodes, or a table of pandas: give one."),
        ([], {}, "Recordings are a mapping of arrays"),
        ([rows(), rows()], {}, "Episode 0 of the list has `episode` itself"),
        ([{"actions": np.zeros((2, 1))}, {"state": np.zeros((2, 1))}], {}, "Episode 1 of the list lacks 'actions'."),
        (
            [{"state": np.zeros((2, 1))}, {"state": np.zeros((2, 2))}],
            {},
            "The episodes have 'state' of different shapes",
        ),
        (rows(), {"columns": {"actions": ["dx"]}}, "There is no column 'dx', only images, actions, state, episode."),
        (rows(), {"image_size": 0}, "`image_size` is 0: it must be 1 or more"),
        (rows() | {"images": "no.mp4"}, {}, "The video no.mp4 cannot be decoded (FileNotFoundError"),
        (rows() | {"images": ["no.png"]}, {}, "The image no.png cannot be read"),
        (rows() | {"actions": np.zeros(18)}, {}, "mine.npz has actions of float64 (18,): they must be numbers (N, A)."),
        (rows() | {"state": [[1], [2, 3]]}, {}, "The rows of 'state' have different"),
    ],
)
def test_bad_recordings_are_one_sentence_and_leave_no_file(recordings, settings, sentence, tmp_path):
    with pytest.raises(UserError) as error:
        save_recordings(recordings, tmp_path / "mine.npz", **settings)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_a_file_of_another_kind_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"mine\.csv is none: name one"):
        save_recordings(rows(), tmp_path / "mine.csv")
