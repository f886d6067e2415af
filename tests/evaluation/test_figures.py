import cv2
import pytest

from reverie.evaluation.figures import Style, plot

STYLE = Style("title", "x", "y")
LINE = [(1.0, 1.0), (3.0, 1.0), (2.0, 4.0)]


def drawn(path):
    return cv2.imread(str(path))


def colored(picture) -> int:
    return int((picture.std(axis=2) > 20).sum())


@pytest.mark.parametrize("series", [{}, {"a": []}, {"a": LINE, "b": [(0, 1)]}, {f"m{n}": LINE for n in range(12)}])
@pytest.mark.parametrize(
    "style", [STYLE, Style(log_x=True, log_y=True), Style(joined=False, diagonal="equal"), Style(from_zero=True)]
)
def test_any_number_of_series_is_drawn(tmp_path, series, style):
    path = plot(tmp_path / "plot.png", series, style, references={"level": 3.0}, stars={"other": LINE})
    assert drawn(path).std() > 0


def test_many_labels_stand_beside_the_axes(tmp_path):
    width = {}
    for count in (2, 9):
        width[count] = drawn(plot(tmp_path / "plot.png", {str(n): LINE for n in range(count)}, STYLE)).shape[1]
    assert width[9] > width[2]


def test_faint_lines_are_drawn_behind_their_label(tmp_path):
    alone = drawn(plot(tmp_path / "alone.png", {"mean": LINE}, STYLE))
    seeds = drawn(plot(tmp_path / "seeds.png", {"mean": LINE}, STYLE, faint={"mean": [[(1, 2), (3, 3)], LINE]}))
    assert colored(seeds) > colored(alone)


def test_seeds_of_one_label_share_a_color(tmp_path):
    def hues(labels):
        picture = drawn(plot(tmp_path / "plot.png", {label: LINE for label in labels}, STYLE))
        saturated = picture[picture.std(axis=2) > 60]
        return set(cv2.cvtColor(saturated[None], cv2.COLOR_BGR2HSV)[0, :, 0].tolist())

    assert len(hues(["a, seed 0", "a, seed 1"])) < len(hues(["a", "b"]))


def test_a_failed_plot_leaves_nothing_behind(tmp_path):
    with pytest.raises(ValueError, match="frac"):
        plot(tmp_path / "plot.png", {"a": LINE}, Style(title=r"$\frac{$"))
    assert not list(tmp_path.iterdir())
