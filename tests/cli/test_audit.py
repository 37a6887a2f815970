"""`frod-bench audit`."""

import csv


def test_params_are_printed_and_written(bench, tmp_path):
    code, out, _ = bench("audit", "params", "--to", str(tmp_path))
    assert code == 0 and "1,327,104" in out and "printed percentages agree" in out
    rows = list(csv.DictReader((tmp_path / "params.csv").open()))
    assert len(rows) == 37 and rows[1]["pct_goat"] == "1.4959"
    assert (tmp_path / "params.md").read_text().count("\n|") == 39


def test_an_unwritable_folder_is_named(bench, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, error = bench("audit", "params", "--to", str(tmp_path / "file"))
    assert code == 2 and "Give another folder to --to" in error
