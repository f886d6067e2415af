import cv2
import pytest

from reverie.evaluation.figures import Style, plot

STYLE = Style("title", "x", "y")
LINE = [(1.0, 1.0), (3.0, 1.0), (2.0, 4.0)]


def draw(path, *arguments, **options):
    """Return the pixels of a plot."""
    return cv2.imread(str(plot(path / "plot.png", *arguments, **options)))


@pytest.mark.parametrize("series", [{}, {"a": []}, {f"m{n}": LINE for n in range(12)}])
@pytest.mark.parametrize(
    "style", [Style(log_x=True, log_y=True), Style(joined=False, diagonal="equal", from_zero=True)]
)
def test_any_number_of_series_gives_a_picture(tmp_path, series, style):
    assert draw(tmp_path, series, style, references={"level": 3.0}, stars={"other": LINE}).std() > 0


def test_many_labels_stand_beside_the_axes(tmp_path):
    few, many = (draw(tmp_path, {str(n): LINE for n in range(count)}, STYLE).shape[1] for count in (2, 9))
    assert many > few


def test_faint_lines_add_color(tmp_path):
    alone = draw(tmp_path, {"mean": LINE}, STYLE)
    seeds = draw(tmp_path, {"mean": LINE}, STYLE, faint={"mean": [[(1, 2), (3, 3)], LINE]})
    assert (seeds.std(axis=2) > 20).sum() > (alone.std(axis=2) > 20).sum()


def test_seeds_of_one_label_share_a_color(tmp_path):
    def hues(labels):
        picture = draw(tmp_path, {label: LINE for label in labels}, STYLE)
        saturated = picture[picture.std(axis=2) > 60]
        return set(cv2.cvtColor(saturated[None], cv2.COLOR_BGR2HSV)[0, :, 0].tolist())

    assert len(hues(["a, seed 0", "a, seed 1"])) < len(hues(["a", "b"]))


def test_a_failed_plot_leaves_no_file(tmp_path):
    with pytest.raises(ValueError, match="frac"):
        plot(tmp_path / "plot.png", {"a": LINE}, Style(title=r"$\frac{$"))
    assert not list(tmp_path.iterdir())
