import csv
import io
import math

from frod_bench.report import landscapes
from frod_bench.report.table import to_csv


def bowl(scale):
    ticks = (-1.0, 0.0, 1.0)
    return {(x, y): scale * (0.1 + x * x + y * y) for x in ticks for y in ticks}


def test_all_panels_share_their_levels_and_the_data_is_kept(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(landscapes, "save", lambda figure, folder, name, data: drawn.append(figure) or [data])
    surfaces = {"before training": bowl(10.0), "frod": bowl(1.0), "lora": bowl(2.0) | {(1.0, 1.0): math.inf}}
    [data] = landscapes.draw(surfaces, "title", tmp_path / "out", "figure5")
    panels = [axes for axes in drawn[0].axes if axes.get_title(loc="left")]
    assert [axes.get_title(loc="left").partition(":")[0] for axes in panels] == list(surfaces)
    limits = {tuple(axes.collections[0].get_clim()) for axes in panels}
    assert len(limits) == 1
    low, high = limits.pop()
    assert math.isclose(low, 0.1) and math.isclose(high, 21.0)
    rows = list(csv.DictReader(io.StringIO(to_csv(data))))
    assert len(rows) == 27
    assert {row["loss"] for row in rows if row["panel"] == "lora" and (row["x"], row["y"]) == ("1.0", "1.0")} == {"inf"}


def test_the_files_are_named_after_the_figure(tmp_path):
    files = landscapes.draw({"before training": bowl(1.0), "frod": bowl(0.5)}, "title", tmp_path, "figure2")
    assert [file.name for file in files] == ["figure2.png", "figure2.svg", "figure2.csv"]
    assert all(file.stat().st_size for file in files)


def test_a_flat_surface_can_be_drawn(tmp_path):
    flat = dict.fromkeys(bowl(1.0), 0.5)
    assert landscapes.draw({"a": flat, "b": flat}, "title", tmp_path, "figure2")
