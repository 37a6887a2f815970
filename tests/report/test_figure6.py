import csv

import numpy as np
import pytest

from frod_bench.errors import RequestError
from frod_bench.record import StoredRun
from frod_bench.report import figure6


@pytest.fixture
def cell(store):
    """Return a function that stores a run of the grid with the epochs 1 to 4."""

    def write(sparsity=0.02, lr_sparse=1e-4, lr_diag=1e-3, task="vision/cars", score=0.5, angle=0.1, seed=0, epochs=4):
        run = store("frod", task, seed, sparsity=sparsity)
        run.record.settings |= {"train.epochs": epochs, "train.lr.sparse": lr_sparse, "train.lr.diag": lr_diag}
        lines = [
            {"epoch": e, "eval": {"accuracy": score + 0.01 * e}, "tan_alpha": angle and {"mean": angle * e}}
            for e in range(1, 5)
        ]
        return StoredRun(run.path, run.record, lines, run.files)

    return write


def test_a_point_is_the_mean_over_tasks_at_that_epoch(cell):
    found = figure6.points([cell(score=0.4), cell(score=0.6, task="vision/dtd", angle=0.3)])
    assert [(p.epoch, p.tasks, p.runs) for p in found] == [(1, 2, 2), (4, 2, 2)]
    assert found[0].accuracy == pytest.approx(51.0)
    assert found[1].accuracy == pytest.approx(54.0)
    assert found[1].tan_alpha == pytest.approx(0.8)
    assert found[0].lr_ratio == pytest.approx(0.1)


def test_cells_that_lack_a_task_and_other_methods_are_left_out(cell, store):
    whole = [cell(), cell(task="vision/dtd")]
    half = [cell(lr_sparse=5e-4), cell(task="vision/dtd", lr_sparse=1e-5)]
    assert {p.lr_sparse for p in figure6.points([*whole, *half, store("lora")])} == {1e-4}


def test_without_a_scale_there_is_no_ratio(cell):
    assert {p.lr_ratio for p in figure6.points([cell(lr_diag=0.0)])} == {None}


def test_two_runs_of_one_cell_are_refused(cell):
    with pytest.raises(RequestError, match="second run"):
        figure6.points([cell(), cell()])


def test_runs_of_another_schedule_are_no_cells_of_the_grid(cell):
    with pytest.raises(RequestError, match=r"train.epochs.*4, default, default; 9, default, default"):
        figure6.points([cell(), cell(lr_sparse=5e-4, epochs=9)])


def test_the_fit_finds_the_parabola_and_its_peak():
    x = np.geomspace(0.01, 1.0, 9)
    y = 70 - 3 * (np.log10(x) - np.log10(0.1)) ** 2
    found = figure6.fit(x, y)
    assert found.peak == pytest.approx(0.1)
    assert found.r2 == pytest.approx(1.0)
    assert np.polyval(found.coefficients, -1.0) == pytest.approx(70.0)
    assert figure6.fit(x, -y).peak is None
    assert figure6.fit(x, 10 * np.log10(x)).peak is None  # best at the edge
    assert figure6.fit(x[:3], y[:3]) is None


def test_the_figure_comes_with_its_points(cell, tmp_path):
    runs = [cell(lr_sparse=r * 1e-3, angle=r, score=0.5 - (r - 0.1) ** 2) for r in (0.02, 0.05, 0.1, 0.2, 0.5)]
    runs.append(cell(sparsity=0.0, lr_sparse=0.0, angle=None))
    found = figure6.points(runs)
    files = figure6.draw(found, "title", tmp_path)
    assert [file.name for file in files] == ["figure6.png", "figure6.svg", "figure6.csv"]
    assert "not on the axis: 1" in files[1].read_text() and "fit: " in files[1].read_text()
    with files[2].open(newline="") as stream:
        data = list(csv.DictReader(stream))
    assert len(data) == len(found) == 12
    assert data[0]["tan_alpha"] == ""
    assert float(data[1]["lr_ratio"]) == pytest.approx(0.02)


def test_no_line_is_drawn_through_noise(cell, tmp_path):
    scores = (0.5, 0.7, 0.5, 0.7, 0.5, 0.7)
    runs = [cell(lr_sparse=2**n * 1e-4, angle=2**n / 100, score=score) for n, score in enumerate(scores)]
    found = figure6.points(runs)
    curve = figure6.fit([point.tan_alpha for point in found], [point.accuracy for point in found])
    assert curve.r2 < figure6.LEAST_R2
    text = figure6.draw(found, "title", tmp_path)[1].read_text()
    assert "no fit drawn: R² = " in text and "peak" not in text
