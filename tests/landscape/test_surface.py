"""A plane through the weights: its directions, and its losses against those of weights moved by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from frod_bench.landscape.surface import directions, grid, losses


class Classifier(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.head = nn.Linear(6, 5), nn.Linear(5, 3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, inputs, labels):
        logits = self.head(self.dropout(torch.relu(self.layer(inputs))))
        return SimpleNamespace(loss=nn.functional.cross_entropy(logits, labels))


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Classifier()


@pytest.fixture
def weights(model):
    return {name: p for name, p in model.named_parameters() if p.ndim > 1}


def batch(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(rows, 6, generator=generator)
    return {"inputs": inputs, "labels": torch.randint(3, (rows,), generator=generator)}, rows


def test_every_row_of_a_direction_has_the_norm_of_the_weights_row(weights):
    for direction in directions(weights, seed=3):
        for name, weight in weights.items():
            torch.testing.assert_close(direction[name].norm(dim=1), weight.norm(dim=1))


def test_directions_are_the_same_but_for_length_whatever_the_weights(weights):
    scaled = {name: 2 * weight for name, weight in reversed(weights.items())}
    for one, other in zip(directions(weights, 0), directions(scaled, 0), strict=True):
        for name in weights:
            torch.testing.assert_close(2 * one[name], other[name])
    x, y = directions(weights, 0)
    assert not torch.allclose(x["head.weight"], y["head.weight"])
    assert not torch.allclose(x["head.weight"], directions(weights, 1)[0]["head.weight"])


def test_a_row_of_zeros_does_not_move():
    x, _ = directions({"w": torch.tensor([[0.0, 0.0], [3.0, 4.0]])}, 0)
    assert x["w"][0].tolist() == [0.0, 0.0]
    assert x["w"][1].norm() == pytest.approx(5.0)


def test_the_grid_goes_through_the_middle():
    points = grid(3, 0.5)
    assert points == [(x, y) for y in (-0.5, 0.0, 0.5) for x in (-0.5, 0.0, 0.5)]


def test_losses_are_means_over_rows_of_the_moved_model_which_stays_as_it_is(model, weights):
    batches = [batch(4, 0), batch(2, 1)]
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    found = dict(losses(model.train(), weights, batches, [(0.0, 0.0), (0.3, -0.2)], seed=0))
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())
    x, y = directions(weights, 0)
    with torch.no_grad():
        for point, value in found.items():
            for name, weight in weights.items():
                weight.copy_(before[name] + point[0] * x[name] + point[1] * y[name])
            expected = sum(model.eval()(**b).loss.item() * rows for b, rows in batches) / 6
            assert value == pytest.approx(expected, rel=1e-5)


def test_points_together_give_what_they_give_alone(model, weights):
    points, counted = grid(3, 1.0), []
    alone = list(losses(model, weights, [batch(5, 0)], points, seed=1))
    together = list(losses(model, weights, [batch(5, 0)], points, seed=1, together=4, progress=counted.append))
    assert [point for point, _ in together] == points
    assert counted == [4, 4, 1]
    assert [loss for _, loss in together] == pytest.approx([loss for _, loss in alone], rel=1e-5)
