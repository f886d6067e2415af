import av
import cv2
import numpy as np
import pytest

from reverie.evaluation import films
from reverie.evaluation.open_loop import context_and_horizon

WHITE = np.full((16, 16, 3), 255, np.uint8)


def film(length, height, width, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (length, height, width, channels), dtype=np.uint8)


def decoded(path):
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], rate


@pytest.mark.parametrize("channels", [1, 3])
def test_a_video_keeps_its_frames_and_its_rate(tmp_path, channels):
    frames = np.repeat(np.array([20, 120, 220], np.uint8), 64 * 64 * channels).reshape(3, 64, 64, channels)
    path = films.write_video(tmp_path / "film.mp4", frames, fps=12.5)
    pictures, rate = decoded(path)
    assert [picture.shape for picture in pictures] == [(256, 256, 3)] * 3
    assert [round(picture.mean() / 20) for picture in pictures] == [1, 6, 11]
    assert float(rate) == 12.5


@pytest.mark.parametrize(("size", "shown"), [((63, 65), (314, 324)), ((300, 401), (300, 400)), ((1, 3), (256, 768))])
def test_a_video_is_large_enough_and_even(tmp_path, size, shown):
    pictures, _ = decoded(films.write_video(tmp_path / "film.mp4", film(2, *size, 3), fps=10))
    assert pictures[0].shape[:2] == shown


def test_a_failed_film_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "film.mp4").write_text("the older film")
    with pytest.raises(ValueError, match="no frame"):
        films.write_video(tmp_path / "film.mp4", film(0, 8, 8, 3), fps=10)
    monkeypatch.setattr(films, "_enlarge", lambda frame, factor: frame.astype(float))  # no film is made of those
    with pytest.raises(ValueError, match="dtype"):
        films.write_video(tmp_path / "film.mp4", film(2, 8, 8, 3), fps=10)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_text() == "the older film"


@pytest.mark.parametrize(("length", "context", "channels"), [(50, 5, 3), (3, 1, 1), (4, 4, 3), (30, 12, 1), (9, 5, 4)])
def test_open_loop_strip_is_a_picture(tmp_path, length, context, channels):
    real, imagined = film(length, 16, 16, channels), film(length, 16, 16, channels, seed=1)
    picture = cv2.imread(str(films.open_loop_strip(tmp_path / "strip.png", real, imagined, context)))
    assert picture.shape[1] >= 100 * min(length, 5)
    assert picture.std() > 0


def test_open_loop_video_has_three_panels_under_a_title(tmp_path):
    real = np.full((4, 64, 64, 3), 200, np.uint8)
    imagined = np.full((4, 64, 64, 3), 80, np.uint8)
    pictures, _ = decoded(films.open_loop_video(tmp_path / "film.mp4", real, imagined, context=2))
    assert len(pictures) == 4
    panels = pictures[0][60:, 128::256].mean((0, 2))
    np.testing.assert_allclose(panels, [200, 80, 120], atol=4)
    red_minus_green = [float(picture[36:38, :, 0].mean() - picture[36:38, :, 1].mean()) for picture in pictures]
    assert [value > 0 for value in red_minus_green] == [False, False, True, True]


def test_spread_includes_both_ends():
    assert films.spread(5, 50, 11)[::10] == [5, 49]
    assert films.spread(0, 3, 5) == [0, 1, 2]
    assert films.spread(4, 4, 5) == []


@pytest.mark.parametrize(("length", "parts"), [(100, (5, 45)), (50, (5, 45)), (10, (5, 5)), (6, (3, 3)), (2, (1, 1))])
def test_at_most_half_of_a_short_episode_is_shown(length, parts):
    assert context_and_horizon(length, 5, 45) == parts


def test_white_images_are_framed_and_large_enough():
    picture = films.mosaic([[WHITE, WHITE]])
    assert picture.shape[1] >= 480
    assert (picture < 200).any(axis=2).sum() >= 4 * 2 * 64


def test_labels_take_their_own_place():
    bare = films.mosaic([[WHITE] * 3] * 2)
    labeled = films.mosaic([[WHITE] * 3] * 2, row_labels=["real", "model"], column_labels=["t = 0\nseen"] * 3)
    assert all(large > small for large, small in zip(labeled.shape[:2], bare.shape[:2]))
    assert (labeled[: labeled.shape[0] - bare.shape[0]] < 100).any()
    wide = films.mosaic([[WHITE] * 9], column_labels=["a label wider than its image"] * 9)
    assert wide.shape[1] > 9 * 150


def test_rows_may_be_short_and_images_may_touch():
    red = np.zeros((8, 8, 3), np.uint8) + np.array([200, 0, 0], np.uint8)
    short = films.mosaic([[red, red], [red]])
    last = short[-20, :, 1]
    assert (last == 0).mean() < 0.6
    touching = films.mosaic([[red] * 4] * 4, gap=0)
    assert (touching[4:-4, 4:-4] == red[0, 0]).all()
