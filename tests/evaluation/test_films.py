import tracemalloc

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from reverie.evaluation import films, open_loop

WHITE = np.full((16, 16, 3), 255, np.uint8)


def random_film(length, height, width, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (length, height, width, channels), dtype=np.uint8)


def decode(path):
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], rate


@pytest.mark.parametrize("channels", [1, 3])
def test_a_video_keeps_its_frames_and_its_rate(tmp_path, channels):
    frames = np.repeat(np.array([20, 120, 220], np.uint8), 64 * 64 * channels).reshape(3, 64, 64, channels)
    path = films.write_video(tmp_path / "film.mp4", frames, fps=12.5)
    pictures, rate = decode(path)
    assert [picture.shape for picture in pictures] == [(256, 256, 3)] * 3
    assert [round(picture.mean() / 20) for picture in pictures] == [1, 6, 11]
    assert float(rate) == 12.5


@pytest.mark.parametrize(("size", "shown"), [((63, 65), (314, 324)), ((300, 401), (300, 400)), ((1, 3), (256, 768))])
def test_a_video_is_large_enough_and_even(tmp_path, size, shown):
    pictures, _ = decode(films.write_video(tmp_path / "film.mp4", random_film(2, *size, 3), fps=10))
    assert pictures[0].shape[:2] == shown


def test_a_failed_film_leaves_the_older_one(tmp_path, monkeypatch):
    (tmp_path / "film.mp4").write_text("the older film")
    with pytest.raises(ValueError, match="no frame"):
        films.write_video(tmp_path / "film.mp4", random_film(0, 8, 8, 3), fps=10)
    monkeypatch.setattr(films, "_enlarge", lambda frame, factor: frame.astype(float))  # the encoder refuses these
    with pytest.raises(ValueError, match="dtype"):
        films.write_video(tmp_path / "film.mp4", random_film(2, 8, 8, 3), fps=10)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_text() == "the older film"


def test_a_film_does_not_hold_its_frames_in_memory(tmp_path):
    """Sixty frames of 300 kB pass through; at no time are more than ten in memory."""
    film, frame = films.Film(tmp_path / "film.mp4", 25), np.zeros((400, 256, 3), np.uint8)
    tracemalloc.start()
    for shade in range(60):
        film.add(frame + np.uint8(shade))
    film.finish()
    assert tracemalloc.get_traced_memory()[1] < 10 * frame.nbytes
    tracemalloc.stop()
    assert len(decode(tmp_path / "film.mp4")[0]) == 60


def test_a_gif_has_a_greatest_length(tmp_path, monkeypatch):
    monkeypatch.setattr(films, "_MOST_GIF_FRAMES", 3)
    with Image.open(films.write_video(tmp_path / "film.gif", random_film(5, 8, 8, 3), fps=10)) as gif:
        assert gif.n_frames == 3


@pytest.mark.parametrize(("length", "context", "channels"), [(8, 6, 1), (3, 1, 3), (4, 2, 4)])
def test_an_open_loop_of_any_length_and_channels_is_drawn(tmp_path, length, context, channels):
    real, imagined = random_film(length, 16, 16, channels), random_film(length, 16, 16, channels, seed=1)
    errors = np.ones(length - context)
    files = open_loop.draw(tmp_path, open_loop.OpenLoop(context, real, imagined, errors, errors, errors))
    assert {path.name for path in files.values()} == {"open_loop.png", "open_loop.mp4", "open_loop_error.png"}
    strip = cv2.imread(str(files["open loop"]))
    assert strip.shape[1] >= 100 * min(length, 5)
    assert strip.std() > 0
    assert len(decode(files["as a film"])[0]) == length


def test_open_loop_frames_have_the_color_of_their_part(tmp_path):
    panels = {name: np.full((4, 64, 64, 3), level, np.uint8) for name, level in (("real", 200), ("imagined", 80))}
    pictures, _ = decode(films.write_video(tmp_path / "film.mp4", films.film_panels(panels, context=2), fps=10))
    assert len(pictures) == 4
    for column, level in ((128, 200), (400, 80)):
        assert pictures[0][150:250, column].mean() == pytest.approx(level, abs=4)
    for step, picture in enumerate(pictures):
        red, green = ((picture[..., a].astype(int) - picture[..., b] > 100).sum() for a, b in ((0, 1), (1, 0)))
        assert (red > 1000, green > 1000) == ((False, True) if step < 2 else (True, False))


def test_spread_includes_both_ends():
    assert films.spread(5, 50, 11)[::10] == [5, 49]
    assert films.spread(0, 3, 5) == [0, 1, 2]
    assert films.spread(4, 4, 5) == []


def test_white_images_have_frames_and_are_large_enough():
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
