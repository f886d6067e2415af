"""The benchmark of a GPU: what it says where there is none, and every part of it at a size for a CPU."""

import json

import pytest
import torch


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_without_a_gpu_it_is_one_sentence_and_exit_code_2(bench, capsys):
    import gpu

    assert gpu.main([]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "run it on a machine with a GPU" in said


@pytest.mark.slow
def test_every_part_runs_at_a_size_for_a_cpu(bench, tmp_path, monkeypatch):
    import gpu

    monkeypatch.setattr(gpu, "METHODS", ("dreamer_v1",))
    monkeypatch.setattr(gpu, "WAYS", (("eager", "float32"), ("graph", "bfloat16")))
    words = ["--device", "cpu", "--size", "tiny", "--minutes", "0.2", "--env", "Pendulum-v1"]
    assert gpu.main([*words, "--results", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("gpu-*.json")
    result = json.loads(path.read_text())
    assert result["executions"] == {"dreamer_v1 graph": {"largest_relative_difference": 0.0, "same": True}}
    assert result["updates"].keys() == {"dreamer_v1 eager float32", "dreamer_v1 graph bfloat16"}
    assert all(row["seconds"] > 0 for part in ("updates", "decisions") for row in result[part].values())
    assert result["training"]["frames"] > 0


@pytest.mark.slow
def test_an_environment_that_is_not_installed_costs_the_training_alone(bench):
    import gpu

    found = gpu.train(torch.device("cpu"), "tiny", "Nowhere-v0", 1.0)
    assert found["env"] == "Nowhere-v0"
    assert "Nowhere-v0" in found["left_out"]
