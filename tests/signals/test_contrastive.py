"""Contrastive prediction against slow loops over all predictions and candidates."""

import math
from itertools import chain, combinations

import pytest
import torch
from mocks import added, spec

from reverie.errors import UserError
from reverie.signals.contrastive import ContrastiveConfig, negative_mask

KINDS = ("next", "current", "trajectory")
SUBSETS = list(chain.from_iterable(combinations(KINDS, n) for n in (1, 2, 3)))
IS_FIRST = torch.tensor([[True, False, False, False], [False, False, True, False], [False, False, False, False]])


def random_features_and_actions(batch: int, length: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return tuple(torch.randn(batch, length, size, generator=generator) for _ in range(2))


def candidates(kinds, b: int, column: int) -> set[tuple[int, int]]:
    """Return the negatives of the prediction of `column` in sequence `b`, by one question per frame."""
    batch, length = IS_FIRST.shape
    negatives = set()
    for other in range(batch):
        for t in range(length):
            if other != b:
                negative = ("next" in kinds and t >= 1) or ("current" in kinds and t <= length - 2)
            else:
                between = IS_FIRST[b, min(t, column) + 1 : max(t, column) + 1]
                negative = "trajectory" in kinds and t != column and not between.any()
            if negative:
                negatives.add((other, t))
    return negatives


@pytest.mark.parametrize("steps", [1, 2])
@pytest.mark.parametrize("kinds", SUBSETS, ids="+".join)
def test_the_negatives_of_each_prediction(kinds, steps):
    mask = negative_mask(IS_FIRST, steps, kinds)
    for b in range(3):
        for t in range(4):
            for d in range(1, min(steps, 3 - t) + 1):
                assert set(map(tuple, mask[b, t, d - 1].nonzero().tolist())) == candidates(kinds, b, t + d)


@pytest.mark.parametrize("similarity", ["distance", "dot", "bilinear"])
@pytest.mark.parametrize("kinds", SUBSETS, ids="+".join)
def test_the_loss_equals_a_loop_over_candidates(kinds, similarity):
    features, action = random_features_and_actions(3, 4, 2)
    torch.manual_seed(0)
    signal = ContrastiveConfig(similarity, 0.7, kinds, steps=2).build(spec(), 2)
    loss = signal.loss(added(features, action, IS_FIRST))
    weight = signal.weight.detach() if similarity == "bilinear" else torch.eye(2)

    def h(x, y):
        value = -(x - y).square().sum() if similarity == "distance" else x @ weight @ y
        return math.exp(value / 0.7)

    means = []
    for d in (1, 2):
        losses = []
        for b in range(3):
            for t in range(4 - d):
                if IS_FIRST[b, t + 1 : t + d + 1].any():
                    continue
                prediction = features[b, t] + action[b, t : t + d].sum(0)
                positive = h(prediction, features[b, t + d])
                negatives = sum(h(prediction, features[c]) for c in candidates(kinds, b, t + d))
                losses.append(-math.log(positive / (positive + negatives)))
        means.append(sum(losses) / len(losses))
    assert loss.mean().item() == pytest.approx(sum(means) / 2, rel=1e-4)


@pytest.mark.parametrize("kinds", SUBSETS, ids="+".join)
def test_the_reverse_classifies_the_prediction_of_each_frame(kinds):
    features, action = random_features_and_actions(3, 4, 2)
    trace = added(features, action, IS_FIRST)
    forward, both = (
        ContrastiveConfig(negatives=kinds, symmetric=x).build(spec(), 2).loss(trace) for x in (False, True)
    )
    predictions = {  # by target
        (b, t + 1): features[b, t] + action[b, t] for b in range(3) for t in range(3) if not IS_FIRST[b, t + 1]
    }
    for frame, positive in predictions.items():
        negatives = [predictions[target] for target in predictions if frame in candidates(kinds, *target)]
        similarity = torch.stack([-(x - features[frame]).square().sum() for x in (positive, *negatives)])
        scale = features.shape[0] * features.shape[1] / len(predictions)
        expected = (forward[frame] - scale * similarity.log_softmax(0)[0]) / 2
        assert both[frame].item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)


def test_only_the_reverse_compares_predictions_with_each_other():
    """One prediction is three times as long as its target, orthogonal to the other frames. The published loss falls."""
    features = 2 * torch.eye(8).reshape(4, 2, 8)
    exact = features[:, 1:] - features[:, :-1]
    far = exact.clone()
    far[0] += 2 * features[0, 1:]
    for symmetric in (False, True):
        signal = ContrastiveConfig(symmetric=symmetric).build(spec(), 8)
        exact_loss, far_loss = (
            signal.loss(added(features, torch.cat([action, torch.zeros(4, 1, 8)], 1))).sum(1) for action in (exact, far)
        )
        assert far_loss[0] < exact_loss[0] if not symmetric else far_loss.sum() > exact_loss.sum()


def test_two_columns_and_current_frames_are_the_published_cfm_loss():
    """The negatives are the first frames of the other sequences; the loss stands in the column of the target."""
    features, action = random_features_and_actions(6, 2, 3)
    loss = ContrastiveConfig(negatives=("current",)).build(spec(), 3).loss(added(features, action))
    expected = []
    for i in range(6):
        prediction = features[i, 0] + action[i, 0]
        positive = math.exp(-(prediction - features[i, 1]).square().sum())
        negatives = [math.exp(-(prediction - features[j, 0]).square().sum()) for j in range(6) if j != i]
        expected.append(-math.log(positive / (positive + sum(negatives))))
    torch.testing.assert_close(loss[:, 1] / 2, torch.tensor(expected))
    assert not loss[:, 0].any()
    assert loss.mean().item() == pytest.approx(sum(expected) / 6)


def test_collapsed_encodings_are_classified_by_chance():
    """A loss of ln 128 for 128 sequences, a bound of 0, an accuracy of 1 / 128."""
    trace = added(torch.ones(128, 2, 8), torch.zeros(128, 2, 8))
    signal = ContrastiveConfig(negatives=("current",)).build(spec(), 8)
    metrics = {name: value.item() for name, value in signal.metrics(trace).items()}
    assert signal.loss(trace).mean().item() == pytest.approx(math.log(128), rel=1e-5)
    assert metrics == pytest.approx({"bound": 0, "cap": math.log(128), "accuracy": 1 / 128}, abs=1e-5)


def test_the_bound_reaches_its_cap_for_exact_predictions_far_apart():
    """The border leaves sequence 1 with fewer negatives of its own, so the number of candidates differs."""
    features = 100 * torch.eye(12).reshape(3, 4, 12)
    action = torch.cat([features[:, 1:] - features[:, :-1], torch.zeros(3, 1, 12)], 1)
    metrics = ContrastiveConfig(negatives=KINDS).build(spec(), 12).metrics(added(features, action, IS_FIRST))
    # 8 others; of its own 3 in sequences 0 and 2 (3 predictions each), 1 in sequence 1 (2 predictions)
    cap = (6 * math.log(12) + 2 * math.log(10)) / 8
    assert metrics["cap"].item() == pytest.approx(cap)
    assert metrics["bound"].item() == pytest.approx(cap)
    assert metrics["accuracy"].item() == 1


def test_the_bound_is_never_above_its_cap():
    features, action = random_features_and_actions(5, 4, 3)
    for kinds in SUBSETS:
        metrics = ContrastiveConfig(negatives=kinds).build(spec(), 3).metrics(added(features, action))
        assert metrics["bound"] < metrics["cap"]
        assert 0 <= metrics["accuracy"] < 1


def test_scaling_exact_predictions_lowers_the_loss():
    """This is the growth without bound that the module's docstring warns of."""
    features, action = random_features_and_actions(8, 2, 3)
    action = torch.cat([features[:, 1:] - features[:, :1], torch.zeros(8, 1, 3)], 1)
    signal = ContrastiveConfig().build(spec(), 3)
    losses = [signal.loss(added(c * features, c * action)).mean().item() for c in (0.1, 1, 10)]
    assert losses[0] > losses[1] > losses[2]
    cold = ContrastiveConfig(temperature=0.01).build(spec(), 3)
    assert cold.loss(added(0.1 * features, 0.1 * action)).mean().item() == pytest.approx(losses[1], rel=1e-4)


def test_only_bilinear_has_parameters():
    shapes = {
        similarity: [tuple(x.shape) for x in ContrastiveConfig(similarity).build(spec(), 3).parameters()]
        for similarity in ("distance", "dot", "bilinear")
    }
    assert shapes == {"distance": [], "dot": [], "bilinear": [(3, 3)]}


def test_impossible_settings_are_errors():
    with pytest.raises(UserError, match="`temperature` of Contrastive is 0"):
        ContrastiveConfig(temperature=0.0)
    with pytest.raises(UserError, match="negatives is empty"):
        ContrastiveConfig(negatives=())
    features, action = random_features_and_actions(1, 4, 2)
    with pytest.raises(UserError, match="batch of one sequence"):
        ContrastiveConfig().build(spec(), 2).loss(added(features, action))
    assert ContrastiveConfig(negatives=("trajectory",)).build(spec(), 2).loss(added(features, action)).any()


def test_without_prediction_the_query_is_the_encoding_before():
    """The similarity is the inner product of z_t and z_{t+1}; the dynamics does not matter."""
    features, action = random_features_and_actions(*IS_FIRST.shape, 2)
    config = ContrastiveConfig("dot", negatives=("next",), predict=False)
    trace = added(features, action, IS_FIRST)
    loss = config.build(spec(), 2).loss(trace)
    valid = [(b, t) for b in range(3) for t in range(1, 4) if not IS_FIRST[b, t]]
    for b, t in valid:
        z = trace.features
        negatives = [z[b, t - 1] @ z[x, y] for x, y in candidates(("next",), b, t)]
        similarity = torch.stack([z[b, t - 1] @ z[b, t], *negatives])
        expected = (similarity.logsumexp(0) - similarity[0]) * 12 / len(valid)
        torch.testing.assert_close(loss[b, t], expected, rtol=1e-4, atol=1e-5)
