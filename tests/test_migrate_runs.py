"""An older record becomes one of today's, sealed anew, in a folder or an archive; what was edited stays as it is."""

import hashlib
import importlib.util
import json
import shutil
from pathlib import Path

import pytest
import yaml

from frod_bench.config.catalogue import settings
from frod_bench.record import RunDirectory, find_records, identity_of
from frod_bench.record.archive import SUFFIX, archive_line
from frod_bench.record.renamed_keys import with_current_keys

SCRIPT = Path(__file__).parents[1] / "scripts/migrate_runs.py"
CONFIG = {
    "backbone": {"_target_": "frod_bench.backbones.Old", "name": "minilm", "facts": {"layers": 6}},
    "task": {"_target_": "frod_bench.tasks.glue.GlueTask", "name": "glue/rte", "version": 1, "config": "rte"},
    "method": {"name": "frod", "description": "words", "sparsity": 0.02, "pattern": None, "basis": "category"},
    "train": {"epochs": 3, "lr": {"diag": 1e-3, "sparse": 1e-4, "head": 1e-3}, "accumulate": 2},
    "profile": {"name": "offline", "source": "packaged", "rows": "offline"},
    "protocol": "released", "selection": "best_on_eval", "seed": 3,
    "data": {"source": "packaged", "root": None, "max_train": None},
    "out": None, "force": False,
}  # fmt: skip
TODAY = with_current_keys(CONFIG)
OWN = {"method.name": "frod", "train.accumulate": 2, "train.warmup": 0.1, "seed": 3}
OWN_TODAY = {"method.name": "frod", "train.gradient_accumulation_steps": 2, "train.warmup_steps": 0.1, "seed": 3}


@pytest.fixture
def migrate():
    spec = importlib.util.spec_from_file_location("migrate_runs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.fixture
def old_run(tmp_path):
    """A run as version 0.1 left it."""
    folder = tmp_path / "seed3-0123abcd"
    folder.mkdir()
    old_hash = "0123abcd89abcdef"
    (folder / "config.yaml").write_text(f"# config_hash: {old_hash}\n{yaml.safe_dump(CONFIG)}")
    (folder / "metrics.jsonl").write_text('{"epoch": 1}\n')
    digests = {name: digest((folder / name).read_bytes()) for name in ("config.yaml", "metrics.jsonl")}
    content = {
        "method": "frod", "task": "glue/rte", "backbone": "minilm", "profile": "offline", "protocol": "released",
        "selection": "best_on_eval", "seed": 3, "config_hash": old_hash, "status": "running", "error": None,
        "metric": {"name": "accuracy", "higher_is_better": True}, "best": None, "final": None, "params": {},
        "samples": {}, "time": {}, "memory": {}, "environment": {}, "data": {}, "initialisation": {},
        "files": digests, "schema": 2,
    }  # fmt: skip
    (folder / "record.json").write_text(json.dumps(content | {"digest": digest(canonical(content))}))
    return folder


@pytest.fixture
def run_of_version_2(old_run):
    """A run whose settings have the old names of options, as the record of identity version 2 had them."""
    (old_run / "config.yaml").write_text(f"# identity: 0123abcd89abcdef\n{yaml.safe_dump(CONFIG)}")
    content = json.loads((old_run / "record.json").read_text())
    content["files"]["config.yaml"] = digest((old_run / "config.yaml").read_bytes())
    content |= {"identity": content.pop("config_hash"), "identity_version": 2, "settings": OWN, "schema": 3}
    content |= {"memory": {"accumulate": 4}}
    content.pop("digest")
    (old_run / "record.json").write_text(json.dumps(content | {"digest": digest(canonical(content))}))
    return old_run


def canonical(content):
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def digest(content):
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_an_old_run_gets_its_identity_and_its_directory(migrate, old_run, tmp_path):
    assert "migrate_runs.py" in find_records(tmp_path).broken[0][1]
    assert migrate([str(tmp_path)]) == 0
    (run,) = find_records(tmp_path).runs
    own = settings(TODAY)
    assert run.record.settings == own and run.record.identity == identity_of(own)
    assert run.path.name == f"seed3-{identity_of(own)[:8]}"
    assert not any("_target_" in key or "facts" in key for key in own)
    config = RunDirectory(run.path).read_config()
    assert config.startswith(f"# identity: {identity_of(own)}\n") and yaml.safe_load(config) == TODAY
    assert migrate([str(tmp_path)]) == 0 and len(find_records(tmp_path).runs) == 1  # nothing is left to do


@pytest.mark.parametrize("name", ["record.json", "config.yaml", "metrics.jsonl"])
def test_an_edited_run_is_left_alone(migrate, old_run, tmp_path, name, capsys):
    (old_run / name).write_text((old_run / name).read_text().replace("3", "4").replace("1", "2"))
    before = {file.name: file.read_bytes() for file in old_run.iterdir()}
    assert migrate([str(tmp_path)]) == 1
    assert {file.name: file.read_bytes() for file in old_run.iterdir()} == before
    assert f"{old_run} is left as it is" in capsys.readouterr().err


def test_options_get_their_new_names(migrate, run_of_version_2, tmp_path):
    assert "migrate_runs.py" in find_records(tmp_path).broken[0][1]
    assert migrate([str(tmp_path)]) == 0
    (run,) = find_records(tmp_path).runs
    assert run.record.settings == OWN_TODAY and run.record.identity == identity_of(OWN_TODAY)
    assert run.record.memory == {"gradient_accumulation_steps": 4}
    assert run.path.name == f"seed3-{identity_of(OWN_TODAY)[:8]}"
    assert yaml.safe_load(RunDirectory(run.path).read_config()) == TODAY


def test_an_archive_is_migrated_run_by_run(migrate, run_of_version_2, tmp_path, capsys):
    texts = {file.name: file.read_text() for file in run_of_version_2.iterdir()}
    shutil.rmtree(run_of_version_2)
    edited = texts | {"metrics.jsonl": '{"epoch": 2}\n'}
    archive = tmp_path / f"glue_rte{SUFFIX}"
    archive.write_text(archive_line("a/seed3-0123abcd", texts) + archive_line("b/seed3-0123abcd", edited))
    assert migrate([str(tmp_path)]) == 1
    assert f"{archive / 'b/seed3-0123abcd'} is left as it is" in capsys.readouterr().err
    found = find_records(tmp_path)
    (run,) = found.runs
    assert run.record.settings == OWN_TODAY
    assert run.path == archive / f"a/seed3-{identity_of(OWN_TODAY)[:8]}"
    assert json.loads(archive.read_text().splitlines()[1])["files"] == edited
