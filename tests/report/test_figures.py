from xml.etree import ElementTree

import matplotlib.image
import pytest

from frod_bench.report import figures
from frod_bench.report.style import GREY
from frod_bench.report.summary import summarise


@pytest.fixture
def sections(store):
    runs = [store(method, task, seed) for method in ("frod", "lora") for task in ("glue/rte", "glue/sst2")
            for seed in (0, 1)]  # fmt: skip
    return summarise(runs).sections


@pytest.fixture
def drawn(monkeypatch):
    """Keep the figures that are saved."""
    kept = []
    save = figures.Figure.savefig

    def keep(figure, *arguments, **options):
        kept.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(figures.Figure, "savefig", keep)
    return kept


def test_curves_are_means_in_percent_with_a_panel_for_every_task(store, tmp_path, drawn):
    runs = [store(seed=0, best=0.60), store(seed=1, best=0.70), store(task="glue/sst2")]
    figures.learning_curves(summarise(runs).sections, tmp_path)
    figure = drawn[0]
    assert len(figure.axes) == 4
    score, loss = figure.axes[:2]
    assert "glue/rte" in score.get_title(loc="left")
    assert (score.get_ylabel(), loss.get_ylabel()) == ("accuracy (%)", "training loss")
    [curve] = score.lines
    assert list(curve.get_xdata()) == [1, 2, 3]
    assert list(curve.get_ydata()) == pytest.approx([55.0, 65.0, 61.0])
    [band] = score.collections
    extent = band.get_paths()[0].get_extents()
    assert (extent.ymin, extent.ymax) == pytest.approx((55.0, 70.0))


def test_methods_look_the_same_in_every_panel_and_differ_without_colour(sections, tmp_path, drawn):
    figures.learning_curves(sections, tmp_path)
    looks = {
        (line.get_label(), line.get_color(), line.get_marker(), line.get_linestyle())
        for axes in drawn[0].axes
        for line in axes.lines
    }
    assert len(looks) == 2
    assert len({marker for _, _, marker, _ in looks}) == 2
    assert len({line for *_, line in looks}) == 2


def test_a_picture_and_a_drawing_are_written_the_same_every_time(sections, tmp_path):
    files = figures.learning_curves(sections, tmp_path / "first")
    assert [file.name for file in files] == ["learning_curves.png", "learning_curves.svg"]
    height, width, _ = matplotlib.image.imread(files[0]).shape
    assert width == 1440
    assert height > 1000
    assert ElementTree.parse(files[1]).getroot().tag.endswith("svg")
    again = figures.learning_curves(sections, tmp_path / "second")
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]


def test_a_few_of_many_methods_are_in_colour(store, tmp_path, drawn):
    methods = {"frod": 0.6, "full_ft": 0.7, "lora": 0.65, "dora": 0.72, "vera": 0.5, "pissa": 0.55}
    figures.learning_curves(summarise([store(m, best=best) for m, best in methods.items()]).sections, tmp_path)
    score = drawn[0].axes[0]
    assert {line.get_label() for line in score.lines} == {"frod", "full_ft", "lora", "dora", "other methods"}
    assert [line.get_color() for line in score.lines].count(GREY) == 2
    assert score.get_title(loc="left").startswith("glue/rte, 1 seed\n")


def test_of_very_many_tasks_the_first_are_drawn_and_the_figure_says_so(store, tmp_path, drawn):
    runs = [store(task=f"glue/task{number}") for number in range(26)]
    figures.learning_curves(summarise(runs).sections, tmp_path)
    assert len(drawn[0].axes) == 2 * 24
    assert "the first 24 of 26" in drawn[0].get_supxlabel()
