"""Several environments, in this process and in workers that die, fail or are interrupted."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import closing

import numpy as np
import pytest
from counting_worlds import Perilous, Threads, make_refused, make_stillborn

from reverie.config import plugins
from reverie.envs import EnvConfig, make, make_many
from reverie.envs.vector import SerialEnvironments, WorkerEnvironments
from reverie.errors import UserError

COUNTING = EnvConfig("counting_worlds:Counting-v0", observe=("state",), count=2, workers=True)
NOTHING = np.zeros(2, np.float32)
DEADLY = np.array([1.0, 0.0], np.float32)
FAULTY = np.array([0.5, 0.0], np.float32)


@pytest.mark.slow
def test_workers_and_serial_give_the_same_bits():
    config = EnvConfig("counting_worlds:Counting-v0", observe=("pixels", "state"), repeat=2, count=2)
    rng = np.random.default_rng(0)
    with closing(make_many(config)) as serial, closing(WorkerEnvironments(config, make)) as workers:
        assert isinstance(serial, SerialEnvironments)
        assert (serial.spec, serial.count) == (workers.spec, workers.count)
        assert serial.sample_actions is workers.sample_actions is None
        pairs = [(serial.reset({0: 3, 1: 4}), workers.reset({0: 3, 1: 4}))]
        for _ in range(3):
            actions = {index: rng.uniform(-1, 1, 2).astype(np.float32) for index in (1, 0)}
            pairs.append((serial.step(actions), workers.step(actions)))
        pairs.append((serial.reset({1: 5}), workers.reset({1: 5})))
    for ours, theirs in pairs:
        assert list(ours) == list(theirs)
        for index in ours:
            np.testing.assert_equal(vars(ours[index]), vars(theirs[index]))


@pytest.mark.slow
def test_a_killed_worker_is_replaced_and_waits_for_reset():
    with closing(make_many(COUNTING)) as workers:
        workers.reset({0: 0, 1: 1})
        assert [step.reward for step in workers.step({0: NOTHING, 1: NOTHING}).values()] == [1, 1]
        killed = workers.process_ids[0]
        os.kill(killed, signal.SIGKILL)
        with pytest.warns(RuntimeWarning, match=r"environment 0 died \(exit code -9\)"):
            steps = workers.step({0: NOTHING, 1: NOTHING})
        assert steps[0] is None
        assert steps[1].reward == 2, "the other environment continues"
        assert workers.process_ids[0] != killed
        with pytest.raises(UserError, match="call reset"):
            workers.step({0: NOTHING})
        assert workers.reset({0: 0})[0].is_first
        assert workers.step({0: NOTHING})[0].reward == 1


@pytest.mark.slow
def test_a_worker_killed_before_a_reset_is_replaced_and_reset():
    with closing(make_many(COUNTING)) as workers:
        os.kill(workers.process_ids[1], signal.SIGKILL)
        with pytest.warns(RuntimeWarning, match="environment 1 died"):
            steps = workers.reset({0: 0, 1: 1})
        assert [steps[index].is_first for index in (0, 1)] == [True, True]


@pytest.mark.slow
def test_sampled_actions_are_the_same_from_workers():
    config = EnvConfig("counting_worlds:Legal-v0", observe=("state",), count=2)
    samples = []
    for environments in (make_many(config), WorkerEnvironments(config, make)):
        with closing(environments):
            assert environments.sample_actions is not None
            environments.reset({0: 0, 1: 1})
            environments.step({0: NOTHING})
            samples.append(environments.sample_actions(6, {1: 3, 0: 4}))
    np.testing.assert_equal(samples[0], samples[1])
    assert list(samples[0]) == [1, 0]
    assert samples[0][0][:, 0].tolist() != samples[0][1][:, 0].tolist()


@pytest.mark.slow
def test_a_worker_that_dies_in_sample_actions_has_no_next_step():
    with closing(WorkerEnvironments(COUNTING, Perilous)) as workers:
        workers.reset({0: 0, 1: 1})
        with pytest.warns(RuntimeWarning, match="environment 1 died"):
            actions = workers.sample_actions(1, {0: 0, 1: 13})
        assert actions[1] is None
        steps = workers.step({0: NOTHING, 1: NOTHING})
        assert (steps[0].reward, steps[1]) == (1, None)
        workers.reset({1: 1})
        assert workers.step({1: NOTHING})[1].reward == 1


@pytest.mark.slow
def test_exceptions_come_through_with_their_message():
    with closing(WorkerEnvironments(COUNTING, Perilous)) as workers:
        workers.reset({0: 0, 1: 1})
        with pytest.raises(RuntimeError, match="Environment 1 failed: ZeroDivisionError: the world is flat") as caught:
            workers.step({0: NOTHING, 1: FAULTY})
        assert "in step" in caught.value.__notes__[0], "the traceback of the worker is a note"
        assert workers.step({0: NOTHING})[0].reward == 2, "every pipe was read"
        with pytest.raises(UserError, match=r"shape \(2,\)"):
            workers.step({0: np.zeros(3, np.float32)})
    with pytest.raises(UserError, match="needs a ticket"):
        WorkerEnvironments(COUNTING, make_refused)
    with pytest.raises(UserError, match="Did you mean Pendulum-v1"):
        make_many(EnvConfig("Pendulm-v1", workers=True))


@pytest.mark.slow
def test_a_worker_that_dies_three_times_in_a_row_is_given_up():
    with closing(WorkerEnvironments(COUNTING, Perilous)) as workers:
        workers.reset({0: 0, 1: 1})
        for _ in range(2):
            with pytest.warns(RuntimeWarning, match="environment 0 died"):
                assert workers.step({0: DEADLY})[0] is None
            workers.reset({0: 0})
        assert workers.step({0: NOTHING})[0].reward == 1, "a finished step resets the count"
        for _ in range(2):
            with pytest.warns(RuntimeWarning, match="environment 0 died"):
                workers.step({0: DEADLY})
            workers.reset({0: 0})
        with pytest.raises(UserError, match="died 3 times in a row"):
            workers.step({0: DEADLY})


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The worker of environment:RuntimeWarning")
def test_a_worker_that_cannot_start_is_given_up():
    with pytest.raises(UserError, match="died 3 times in a row"):
        WorkerEnvironments(EnvConfig("counting_worlds:Counting-v0"), make_stillborn)


@pytest.mark.slow
def test_a_worker_has_one_thread():
    before = dict(os.environ)
    with closing(WorkerEnvironments(EnvConfig("counting_worlds:Counting-v0"), Threads)) as workers:
        assert workers.reset({0: 0})[0].obs["state"].tolist() == [1, 1, 0]
    assert dict(os.environ) == before


@pytest.mark.slow
def test_close_ends_every_process():
    workers = make_many(COUNTING)
    processes = workers.process_ids
    workers.close()
    for process in processes:
        with pytest.raises(ProcessLookupError):
            os.kill(process, 0)


@pytest.mark.slow
def test_workers_import_the_plug_ins_that_were_named(tmp_path, monkeypatch):
    script = tmp_path / "my_worlds.py"
    script.write_text("import counting_worlds, gymnasium\ngymnasium.register('Mine-v0', counting_worlds.Counting)\n")
    monkeypatch.setattr(plugins, "_used", {})
    plugins.use(str(script))
    with closing(make_many(EnvConfig("Mine-v0", observe=("state",), time_limit=9, workers=True))) as workers:
        workers.reset({0: 0})
        assert workers.step({0: NOTHING})[0].reward == 1


@pytest.mark.slow
def test_ctrl_c_prints_the_traceback_of_the_parent_alone(tmp_path):
    script = tmp_path / "play.py"
    script.write_text(
        textwrap.dedent("""
            import signal

            import numpy as np
            from reverie.envs import EnvConfig, make_many

            if __name__ == "__main__":
                # A shell that starts the tests in the background has their children ignore Ctrl-C.
                signal.signal(signal.SIGINT, signal.default_int_handler)
                environments = make_many(EnvConfig(observe=("state",), count=2, workers=True))
                try:
                    environments.reset({0: 0, 1: 1})
                    print("playing", flush=True)
                    while True:
                        for index, step in environments.step({i: np.zeros(1) for i in (0, 1)}).items():
                            if step.is_last:
                                environments.reset({index: 0})
                finally:
                    environments.close()
        """)
    )
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout.readline() == "playing\n"
        time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=120)
    finally:
        process.kill()
    assert errors.count("Traceback") == 1
    assert errors.rstrip().endswith("KeyboardInterrupt")
    assert "Process" not in errors
