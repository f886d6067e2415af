import av
import cv2
import numpy as np
import pytest

from reverie.evaluation import figures


def film(length, height, width, channels, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (length, height, width, channels), dtype=np.uint8)


def decoded(path):
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)], rate


@pytest.mark.parametrize("channels", [1, 3])
def test_a_video_keeps_its_frames_and_its_rate(tmp_path, channels):
    frames = np.repeat(np.array([20, 120, 220], np.uint8), 64 * 64 * channels).reshape(3, 64, 64, channels)
    path = figures.write_video(tmp_path / "film.mp4", frames, fps=12.5)
    pictures, rate = decoded(path)
    assert [picture.shape for picture in pictures] == [(256, 256, 3)] * 3
    assert [round(picture.mean() / 20) for picture in pictures] == [1, 6, 11]
    assert float(rate) == 12.5


@pytest.mark.parametrize(("size", "shown"), [((63, 65), (314, 324)), ((300, 401), (300, 400)), ((1, 3), (256, 768))])
def test_a_video_is_large_enough_and_even(tmp_path, size, shown):
    pictures, _ = decoded(figures.write_video(tmp_path / "film.mp4", film(2, *size, 3), fps=10))
    assert pictures[0].shape[:2] == shown


def test_a_failed_file_leaves_nothing_behind(tmp_path, monkeypatch):
    (tmp_path / "film.mp4").write_text("the older film")
    with pytest.raises(ValueError, match="no frame"):
        figures.write_video(tmp_path / "film.mp4", film(0, 8, 8, 3), fps=10)
    monkeypatch.setattr(figures, "_enlarge", lambda frame, factor: frame.astype(float))  # no film is made of those
    with pytest.raises(ValueError, match="dtype"):
        figures.write_video(tmp_path / "film.mp4", film(2, 8, 8, 3), fps=10)
    assert [path.name for path in tmp_path.iterdir()] == ["film.mp4"]
    assert (tmp_path / "film.mp4").read_text() == "the older film"


@pytest.mark.parametrize(("length", "context", "channels"), [(50, 5, 3), (3, 1, 1), (4, 4, 3), (30, 12, 1), (9, 5, 4)])
def test_open_loop_strip_is_a_picture(tmp_path, length, context, channels):
    real, imagined = film(length, 16, 16, channels), film(length, 16, 16, channels, seed=1)
    path = figures.open_loop_strip(tmp_path / "strip.png", real, imagined, context)
    picture = cv2.imread(str(path))
    assert picture.shape[1] >= 100 * min(length, 5)
    assert picture.std() > 0


def test_open_loop_video_has_three_panels_under_a_title(tmp_path):
    real = np.full((4, 64, 64, 3), 200, np.uint8)
    imagined = np.full((4, 64, 64, 3), 80, np.uint8)
    pictures, _ = decoded(figures.open_loop_video(tmp_path / "film.mp4", real, imagined, context=2))
    assert len(pictures) == 4
    panels = pictures[0][60:, 128::256].mean((0, 2))
    np.testing.assert_allclose(panels, [200, 80, 120], atol=4)
    red_minus_green = [float(picture[36:38, :, 0].mean() - picture[36:38, :, 1].mean()) for picture in pictures]
    assert [value > 0 for value in red_minus_green] == [False, False, True, True]


def test_the_moments_shown_include_both_ends_and_the_first_imagined():
    assert figures._spread(5, 50, 11)[[0, -1]].tolist() == [5, 49]
    assert figures._spread(0, 3, 5).tolist() == [0, 1, 2]
    assert figures._spread(4, 4, 5).tolist() == []


@pytest.mark.parametrize("runs", [{}, {"seed 0": []}, {"seed 0": [(0, -10.0), (2000, 5.0)], "seed 1": [(0, 1)]}])
def test_curve_draws_any_number_of_runs(tmp_path, runs):
    points = {"other": [(1.0, 2.0), (5.0, 3.0)]}
    path = figures.curve(tmp_path / "curve.png", runs, "return", {"level": 3.0}, training=runs, published=points)
    assert cv2.imread(str(path)).std() > 0


def test_error_plot_is_a_picture(tmp_path):
    path = figures.error_plot(tmp_path / "error.png", np.linspace(0, 1, 45), np.linspace(0, 2, 45))
    assert cv2.imread(str(path)).std() > 0


def test_many_labels_stand_beside_the_picture(tmp_path):
    few, many = ({str(i): [(1.0, i), (10.0, i + 1.0)] for i in range(count)} for count in (2, 9))
    words = {"title": "t", "xlabel": "x", "ylabel": "y"}
    width = {}
    for name, series in {"few": few, "many": many}.items():
        drawn = figures.lines(tmp_path / f"{name}.png", series, **words, logarithmic=True, references={"level": 3.0})
        points = figures.agreement(tmp_path / f"{name}-points.png", series, **words)
        width[name] = [cv2.imread(str(path)).shape[1] for path in (drawn, points)]
    assert all(one < other for one, other in zip(width["few"], width["many"]))


def test_seeds_are_drawn_behind_their_mean(tmp_path):
    mean, words = {"mean": [(0.0, 1.0), (1.0, 1.0)]}, {"title": "t", "xlabel": "x", "ylabel": "y"}
    seeds = {"mean": [[(0.0, 0.0), (1.0, 2.0)], [(1.0, 0.0), (0.0, 2.0)]]}
    alone = cv2.imread(str(figures.lines(tmp_path / "alone.png", mean, **words)))
    with_seeds = cv2.imread(str(figures.lines(tmp_path / "seeds.png", mean, **words, seeds=seeds)))
    colored = [(picture.std(axis=2) > 20).sum() for picture in (alone, with_seeds)]
    assert colored[1] > colored[0]
