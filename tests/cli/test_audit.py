"""`frod-bench audit`."""

import csv
import json
import subprocess
import sys

import pytest

from frod_bench.audit.claims import CLAIMS


def test_one_claim_with_its_rows(bench):
    code, out, _ = bench("audit", "--only", "averages", "--only", "margin")
    assert code == 0 and "DOES NOT HOLD  averages" in out and "82.73" in out
    assert out.endswith("Stated: 0 hold, 2 do not hold, 0 are not decided here, 0 cannot be checked here.\n")


def test_the_page_is_written(bench, tmp_path):
    code, out, _ = bench("audit", "--only", "epochs", "--only", "best-average", "--to", str(tmp_path / "page"))
    assert code == 0 and "To check it: git clone" in out
    page = (tmp_path / "page/audit.md").read_text()
    assert "[epochs](#epochs)" in page and str(tmp_path) not in page
    claims = json.loads((tmp_path / "page/audit.json").read_text())["claims"]
    assert [c["verdict"] for c in claims] == ["holds", "cannot be checked here"]


def test_every_claim_is_listed(bench):
    code, out, _ = bench("audit", "--list")
    assert code == 0 and all(f"  {claim.name} " in out and claim.checks in out for claim in CLAIMS)


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--only", "averagess"], "Did you mean averages or"),
        (["--code", "nowhere"], "There is no folder nowhere"),
        (["--runs", "nowhere"], "There is no folder nowhere"),
        (["--run-code"], "give its folder with --code DIR"),
        (["--only", "margin", "--to", "file"], "Give another --to"),
        (["params", "--to", "file"], "Give another --to"),
    ],
)
def test_what_is_refused(bench, tmp_path, words, hint):
    (tmp_path / "file").write_text("")
    code, _, error = bench("audit", *words)
    assert code == 2 and hint in error


def test_params_are_printed_and_written(bench, tmp_path):
    code, out, _ = bench("audit", "params", "--to", str(tmp_path))
    assert code == 0 and "1,327,104" in out and "printed percentages agree" in out
    rows = list(csv.DictReader((tmp_path / "params.csv").open()))
    assert len(rows) == 38 and rows[1]["pct_goat"] == "1.4959"
    assert (tmp_path / "params.md").read_text().count("\n|") == 40


def test_help_list_and_a_wrong_name_do_without_torch():
    code = (
        "import sys\n"
        "from frod_bench.cli import run_command\n"
        "for words in (['--list'], ['--only', 'typo'], ['--help']):\n"
        "    try:\n"
        "        run_command(['audit', *words])\n"
        "    except SystemExit:\n"
        "        pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'scipy')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0
