from dataclasses import dataclass

import torch

from reverie import tree


@dataclass(frozen=True)
class Leaf:
    x: torch.Tensor
    name: str = "kept"


def make(value: float) -> dict:
    return {"a": Leaf(torch.full((2, 3), value)), "b": (torch.tensor([value, -value]), None, 5), "c": [torch.ones(2)]}


def test_map_reaches_every_tensor_and_keeps_the_rest():
    result = tree.map(lambda x, y: x + 10 * y, make(1.0), make(2.0))
    assert result["a"].x.tolist() == [[21.0] * 3] * 2
    assert result["a"].name == "kept"
    assert result["b"][0].tolist() == [21.0, -21.0]
    assert result["b"][1:] == (None, 5)
    assert result["c"][0].tolist() == [11.0, 11.0]


def test_leaves_are_in_a_fixed_order():
    assert [leaf.shape for leaf in tree.leaves(make(1.0))] == [(2, 3), (2,), (2,)]


def test_stack():
    result = tree.stack([Leaf(torch.tensor([1.0, 2.0])), Leaf(torch.tensor([3.0, 4.0]))], dim=1)
    assert result.x.tolist() == [[1.0, 3.0], [2.0, 4.0]]


def test_where_selects_along_the_leading_axes():
    yes, no = {"v": torch.ones(2, 3), "s": torch.ones(2)}, {"v": torch.zeros(2, 3), "s": torch.zeros(2)}
    result = tree.where(torch.tensor([True, False]), yes, no)
    assert result["v"].tolist() == [[1.0] * 3, [0.0] * 3]
    assert result["s"].tolist() == [1.0, 0.0]


def test_detach_stops_the_gradient():
    weight = torch.ones(2, requires_grad=True)
    result = tree.detach({"x": weight * 2})
    assert not result["x"].requires_grad
    assert result["x"].tolist() == [2.0, 2.0]


def test_flatten_batch_keeps_sequences_together():
    result = tree.flatten_batch({"x": torch.arange(6).reshape(2, 3)})
    assert result["x"].tolist() == [0, 1, 2, 3, 4, 5]


def test_every_kth_ends_with_the_last_element():
    x = {"a": torch.arange(7), "b": [torch.arange(7)[None].expand(2, 7)]}
    assert tree.every_kth(x["a"], 3, dim=0).tolist() == [0, 3, 6]
    assert tree.every_kth(x["a"], 2, dim=0).tolist() == [0, 2, 4, 6]
    assert tree.every_kth(x["a"], 9, dim=0).tolist() == [6]
    assert tree.every_kth(x, 4, dim=-1)["b"][0].tolist() == [[2, 6], [2, 6]]
