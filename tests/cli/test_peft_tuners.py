"""`method=peft method.type=…` from the command line to the record, the report, the exports and a table's cells."""

import json

import pytest
import yaml

from frod_bench.cli import run_command
from frod_bench.cli.list import main as list_main
from frod_bench.grid.cells import compose_cells
from frod_bench.grid.tables import load_table
from frod_bench.record import RunDirectory, find_records
from frod_bench.report.summary import summarise

pytestmark = pytest.mark.filterwarnings("ignore")
SHIRA = ("method=peft", "method.config.r=2", "task=glue/rte", "data.max_eval=8")


def test_a_run_is_named_by_its_tuner_and_made_once(smoke, tmp_path):
    code, out, err = smoke(*SHIRA, "method.type=shira")
    assert (code, err) == (0, "") and "PEFT SHiRA on glue/rte" in out
    (run,) = find_records(tmp_path).runs
    assert (run.record.method, run.record.settings["method.type"]) == ("peft", "SHIRA")
    assert run.record.settings["method.config.r"] == 2
    assert "complete already" in smoke(*SHIRA, "method.type=SHiRA")[1]
    code, out, _ = smoke(*SHIRA[:1], "method.type=oft", *SHIRA[2:], "method.config.oft_block_size=8")
    assert code == 0 and "PEFT OFT on glue/rte" in out
    (section,) = summarise(find_records(tmp_path).runs).sections
    assert [row.method for row in section.rows] == ["PEFT OFT", "PEFT SHiRA"]


def test_what_a_run_left_is_exported_in_both_formats(smoke, tmp_path):
    assert smoke(*SHIRA, "method.type=shira", "out=run")[0] == 0
    for form, file in (("peft", "adapter_config.json"), ("merged", "config.json")):
        assert run_command(["export", str(tmp_path / "run"), "--format", form, "--to", str(tmp_path / form)]) == 0
        assert (tmp_path / form / file).is_file()
    saved = json.loads((tmp_path / "peft/adapter_config.json").read_text())
    assert (saved["peft_type"], saved["r"], saved["random_seed"]) == ("SHIRA", 2, 0)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["method=peft"], "needs method.type=VALUE"),
        (["method=peft", "method.type=shra"], "Did you mean SHIRA"),
        (["method=peft", "method.type=shira", "method.config.rnk=8"], "no setting method.config.rnk"),
        (["method=peft", "method.type=shira", "method.config.r=x"], "takes a whole number"),
        (["method=peft", "method.type=shira", "method.cnfig.r=8"], "There is no key 'method.cnfig'"),
        (["method=frod", "method.config.r=8"], "frod has no option 'config'"),
    ],
)
def test_a_wrong_word_is_refused(smoke, tmp_path, words, message):
    code, _, err = smoke(*words, "task=glue/rte")
    assert (code, message in err) == (2, True), err
    assert not RunDirectory(tmp_path / "outputs").path.exists()


def test_rows_of_a_table_are_tuners_with_settings(tmp_path, monkeypatch):
    rows = {
        "OFT": "method=peft method.type=oft",
        "OFT(b=8)": "method=peft method.type=OFT method.config.oft_block_size=8",
        "rsLoRA": "method=peft method.type=LORA method.config.use_rslora=true",
        "SHiRA": "method=peft method.type=SHIRA method.config.r=2,4",
    }
    sweeper = {"rows": rows, "columns": {"RTE": "glue/rte"}, "seeds": {"smoke": "0"}}
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep/tuners.yaml").write_text(yaml.safe_dump({"hydra": {"sweeper": sweeper}}))
    monkeypatch.setenv("FROD_BENCH_CONFIG_DIR", str(tmp_path))
    cells = compose_cells(load_table("tuners"), "smoke", None, ["method.head=frozen"])
    assert len({cell.identity for cell in cells}) == len(cells) == 5
    configs = {cell.row: cell.config["method"] for cell in cells}
    assert configs["rsLoRA"]["config"] == {"use_rslora": True}
    assert configs["SHiRA: method.config.r=4"]["config"] == {"r": 4}


def test_the_list_has_a_line_a_tuner(capsys):
    assert list_main(["methods", "--peft", "--json"]) == 0
    rows = {row["type"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["SHIRA"] == {"type": "SHIRA", "name": "SHiRA", "config": rows["SHIRA"]["config"]}
    assert rows["SHIRA"]["config"]["r"] == 32 and "target_modules" not in rows["SHIRA"]["config"]
    assert "PREFIX_TUNING" not in rows
    assert list_main(["methods", "--peft"]) == 0
    assert "use_rslora=false" in capsys.readouterr().out
