import csv

import matplotlib.image
import pytest

from frod_bench.record import RunDirectory
from frod_bench.report import figure4
from frod_bench.report.summary import summarise


@pytest.fixture
def with_losses(store):
    """Return a function that stores a run of three epochs of eight steps, whose loss falls by 0.01 a step."""

    def write(method="frod", seed=0, start=2.0):
        run = store(method, seed=seed)
        losses = [[start - 0.01 * (8 * epoch + i) for i in range(8)] for epoch in range(3)]
        RunDirectory(run.path).write_losses(losses)
        return run

    return write


def rows(file):
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_the_csv_holds_every_step_of_every_seed(with_losses, tmp_path):
    [section] = summarise([with_losses(seed=0), with_losses(seed=1, start=3.0), with_losses("lora")]).sections
    files = figure4.draw(section, "glue/rte", [], tmp_path / "out")
    assert [file.name for file in files] == ["figure4.png", "figure4.svg", "figure4.csv"]
    assert matplotlib.image.imread(files[0]).shape[1] > 1000
    data = rows(files[2])
    losses = [row for row in data if (row["what"], row["method"], row["seed"]) == ("loss", "frod", "1")]
    assert [int(row["step"]) for row in losses] == list(range(1, 25))
    assert float(losses[-1]["value"]) == pytest.approx(3.0 - 0.23)
    scores = [float(row["value"]) for row in data if (row["what"], row["method"]) == ("score", "lora")]
    assert scores == pytest.approx([55.0, 62.0, 61.0])


def test_runs_without_losses_still_show_their_scores(store, tmp_path):
    [section] = summarise([store()]).sections
    files = figure4.draw(section, "glue/rte", [], tmp_path)
    assert {row["what"] for row in rows(files[2])} == {"score"}


def test_the_mean_is_smoothed_over_ten_steps_up_to_the_shortest_seed():
    curves = [figure4.Curve("ours", "loss", "frod", 0, range(1, n + 1), list(range(n))) for n in (30, 12)]
    steps, values = figure4._common(curves)
    assert list(steps) == [10, 11, 12]
    assert values.tolist() == [pytest.approx([4.5, 5.5, 6.5])] * 2


def test_published_curves_end_where_the_printed_figure_does(tmp_path, with_losses):
    file = tmp_path / "figure4.csv"
    lines = ["# source", "step,frod seed 5,lora seed 6"]
    lines += [f"{s},{1 / s},{2 / s if s <= 20 else ''}" for s in range(1, 301)]
    file.write_text("\n".join(lines) + "\n")
    frod, lora = figure4.published(file)
    assert (frod.method, frod.seed, len(frod.values), frod.values[1]) == ("frod", 5, 280, 0.5)
    assert (lora.method, len(lora.values)) == ("lora", 20)
    [section] = summarise([with_losses()]).sections
    data = rows(figure4.draw(section, "glue/rte", [frod, lora], tmp_path)[2])
    assert {row["source"] for row in data} == {"ours", "published"}
