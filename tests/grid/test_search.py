"""Every method gets the same number of trials, wherever its best lies."""

import math

import pytest

from frod_bench.errors import RequestError
from frod_bench.grid.search import GridSearch, Point, TpeSearch, Tried, best_of, end_of_grid


def searched(search, score, axis=None):
    """Return all trials of a search of `score`, a function of a point."""
    tried = []
    while points := search.ask(tried, axis or {}):
        tried += [Tried(point, score(point)) for point in points]
    return tried


def peak(at):
    return lambda point: -abs(math.log10(point.multiplier / at))


def test_the_grid_is_logarithmic_around_the_recipe():
    multipliers = [t.point.multiplier for t in searched(GridSearch(7), peak(1))]
    assert multipliers == pytest.approx([10 ** (n / 2) for n in range(-3, 4)], rel=1e-3)
    assert len(searched(GridSearch(4, per_decade=1), peak(1))) == 4


def test_rates_move_together_and_one_role_can_move_on_its_own():
    recipe = {"diag": 5e-3, "sparse": 5e-4, "head": 1e-2}
    assert Point(0.1).rates(recipe) == {"diag": 5e-4, "sparse": 5e-5, "head": 1e-3}
    assert Point(2.0, (("sparse", 3.0),)).rates(recipe) == {"diag": 1e-2, "sparse": 3e-3, "head": 2e-2}


@pytest.mark.parametrize("at", [0.001, 0.1, 1, 2, 1000])
@pytest.mark.parametrize("extend", [0, 1, 3])
def test_every_method_gets_as_many_trials(at, extend):
    tried = searched(GridSearch(5, extend=extend), peak(at))
    assert len({t.point for t in tried}) == len(tried) == 5 + 2 * extend


@pytest.mark.parametrize(("at", "expected"), [(1e-3, "lowest"), (1e3, "highest"), (1, None), (0.3, None)])
def test_the_best_at_an_end_is_reported(at, expected):
    assert end_of_grid(searched(GridSearch(5), peak(at))) == expected


@pytest.mark.parametrize("at", [1e-3, 40.0])
def test_an_extension_goes_beyond_the_end_where_the_best_lies(at):
    tried = searched(GridSearch(5, extend=1), peak(at))
    before, after = best_of(tried[:5]).score, best_of(tried).score
    assert after > before
    added = [t.point.multiplier for t in tried[5:]]
    assert all(m < 0.1 for m in added) if at < 1 else all(m > 10 for m in added)


def test_an_extension_near_the_best_halves_the_steps():
    tried = searched(GridSearch(5, extend=1), peak(1.7))
    assert [t.point.multiplier for t in tried[5:]] == pytest.approx([10**-0.25, 10**0.25], rel=1e-3)


def test_a_second_axis_costs_trials_like_any_other():
    axis = {"sparse": [0.3, 1.0]}
    tried = searched(GridSearch(8), peak(1), axis)
    assert len(tried) == len({t.point for t in tried}) == 8
    assert [dict(t.point.factors)["sparse"] for t in tried].count(0.3) == 4
    with pytest.raises(RequestError, match="--trials 7 cannot be divided by the 2 values"):
        searched(GridSearch(7), peak(1), axis)


def test_of_equal_trials_the_nearest_to_the_recipe_is_chosen():
    flat = [Tried(Point(m), 0.5) for m in (0.1, 10.0, 1.0)]
    assert best_of(flat).point.multiplier == 1.0
    assert best_of(flat[:2]).point.multiplier == 0.1


def test_a_trial_that_diverged_is_never_the_best():
    tried = [Tried(Point(1.0), -math.inf), Tried(Point(10.0), -0.9)]
    assert best_of(tried).point.multiplier == 10.0


def test_tpe_has_the_same_budget_and_is_reproducible():
    first, second = (searched(TpeSearch(9), peak(3)) for _ in range(2))
    assert first == second and len(first) == 9
    assert all(10**-2.01 < t.point.multiplier < 10**2.01 for t in first)
    assert max(t.score for t in first) > -0.5
    diverging = searched(TpeSearch(6), lambda point: -math.inf if point.multiplier > 1 else point.multiplier)
    assert len(diverging) == 6
