import json
import math

import numpy as np
import pytest

from reverie.errors import UserError
from reverie.runs.logger import Logger, read_metrics


def log(logger, frames, kind="train", timing=None, **values):
    logger.write(kind, {"frames": frames, "decisions": frames // 2, "updates": frames // 10}, values, timing)


def events(folder):
    """The scalars and images that TensorBoard shows of this folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder / "tensorboard"))
    accumulator.Reload()
    return accumulator


def test_a_line_holds_the_moment_and_the_values(tmp_path):
    with Logger(tmp_path) as logger:
        log(logger, 20, loss=3.5)
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {
        "kind": "train",
        "frames": 20,
        "decisions": 10,
        "updates": 2,
        "loss": 3.5,
    }


def test_timing_has_lines_of_its_own(tmp_path):
    with Logger(tmp_path) as logger:
        log(logger, 20, timing={"fps": 50.0}, loss=1.0)
    assert [line["kind"] for line in read_metrics(tmp_path)] == ["train", "timing"]
    assert read_metrics(tmp_path, "timing") == [
        {"kind": "timing", "frames": 20, "decisions": 10, "updates": 2, "fps": 50.0}
    ]
    assert "fps" not in read_metrics(tmp_path, "train")[0]


def test_numbers_that_json_lacks_survive(tmp_path):
    with Logger(tmp_path) as logger:
        log(logger, 0, a=math.nan, b=math.inf, c=-math.inf, d=np.float32(0.1))

    def refuse(name):
        raise AssertionError(f"{name} is not JSON")

    json.loads((tmp_path / "metrics.jsonl").read_text(), parse_constant=refuse)
    (line,) = read_metrics(tmp_path)
    assert math.isnan(line["a"])
    assert (line["b"], line["c"], line["d"]) == (math.inf, -math.inf, float(np.float32(0.1)))


def test_resuming_cuts_off_what_is_newer_than_the_checkpoint(tmp_path):
    with Logger(tmp_path) as logger:
        log(logger, 10, loss=1.0)
        position = logger.position()
        log(logger, 20, loss=2.0)
    assert position < (tmp_path / "metrics.jsonl").stat().st_size
    with Logger(tmp_path, resume_at=position, purge_step=11) as logger:
        log(logger, 20, loss=5.0)
    assert [line["loss"] for line in read_metrics(tmp_path)] == [1.0, 5.0]
    shown = [(event.step, event.value) for event in events(tmp_path).Scalars("train/loss")]
    assert shown == [(10, 1.0), (20, 5.0)]


def test_resuming_without_the_file_starts_a_new_one(tmp_path):
    with (
        pytest.warns(UserWarning, match="lacks lines from before the checkpoint"),
        Logger(tmp_path, resume_at=1000) as logger,
    ):
        log(logger, 20, loss=5.0)
    assert len(read_metrics(tmp_path)) == 1


def test_without_a_position_the_log_goes_on(tmp_path):
    for frames in (10, 20):
        with Logger(tmp_path) as logger:
            log(logger, frames, loss=1.0)
    assert [line["frames"] for line in read_metrics(tmp_path)] == [10, 20]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_video_is_shown_by_tensorboard(tmp_path, channels):
    frames = np.random.default_rng(0).integers(0, 256, (4, 8, 10, channels), dtype=np.uint8)
    with Logger(tmp_path) as logger:
        logger.video("open_loop", frames, step=100, fps=10)
    (image,) = events(tmp_path).Images("open_loop")
    assert (image.step, image.height, image.width) == (100, 8, 10)
    assert image.encoded_image_string.startswith(b"GIF89a")


def test_a_full_disk_is_one_sentence(tmp_path):
    (tmp_path / "metrics.jsonl").symlink_to("/dev/full")
    logger = Logger(tmp_path)
    with pytest.raises(UserError, match="is full; free some space and continue with `reverie resume"):
        log(logger, 10, loss=1.0)
    logger.close()


def test_another_error_of_the_system_is_not_hidden(tmp_path):
    logger = Logger(tmp_path)
    logger.close()
    with pytest.raises(ValueError, match="closed file"):
        log(logger, 10, loss=1.0)


def test_a_value_cannot_take_the_name_of_a_moment(tmp_path):
    with Logger(tmp_path) as logger, pytest.raises(ValueError, match="frames"):
        logger.write("train", {"frames": 1, "decisions": 1, "updates": 1}, {"frames": 1.0})


def test_a_line_still_being_written_is_left_out(tmp_path):
    with Logger(tmp_path) as logger:
        log(logger, 10, loss=1.0)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"kind": "tr')
    assert len(read_metrics(tmp_path)) == 1


def test_a_damaged_line_and_a_missing_file_are_user_errors(tmp_path):
    with pytest.raises(UserError, match=r"There is no .*metrics.jsonl"):
        read_metrics(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"kind": \n{"kind": "train"}\n')
    with pytest.raises(UserError, match=r"Line 1 of .* is damaged"):
        read_metrics(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        *("", "3", "[]", "null", '"x"', "{}", '{"kind": "train"}', "[" * 9999),
        '{"kind": "train", "frames": 1.5, "decisions": 1, "updates": 1}',
        '{"kind": "train", "frames": 1, "decisions": null, "updates": 1}',
        '{"kind": "train", "frames": 1, "decisions": 1, "updates": 1, "loss": null}',
        '{"kind": "train", "frames": 1, "decisions": 1, "updates": 1, "loss": "x"}',
        '{"kind": "train", "frames": 1, "decisions": 1, "updates": 1, "loss": [1]}',
        '{"kind": ["train"], "frames": 1, "decisions": 1, "updates": 1}',
        '{"kind": "alarm", "frames": 1, "decisions": 1, "updates": 1, "name": "x"}',
        '{"kind": "alarm", "frames": 1, "decisions": 1, "updates": 1, "name": "x", "text": 3}',
    ],
)
def test_a_line_that_is_no_metric_is_damaged(text, tmp_path):
    with Logger(tmp_path) as logger:
        log(logger, 10, loss=1.0)
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write(f"{text}\n")
    with pytest.raises(UserError, match=r"Line 2 of .* is damaged; delete that line"):
        read_metrics(tmp_path)


def test_a_log_that_cannot_be_opened_is_one_sentence(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    with pytest.raises(UserError, match="cannot be read"):
        read_metrics(tmp_path)
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(UserError, match="cannot be written"):
        Logger(tmp_path)
