"""What is committed below results/ can be read by anybody, anywhere."""

import json
import re

import pytest

from frod_bench.config.paths import config_dir
from frod_bench.record import find_records

RESULTS = config_dir().parent / "results"
ARCHIVES = sorted(RESULTS.rglob("*.runs.jsonl"))
_PLACES = ("data.root", "backbone.path", "start", "method.mask")


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda file: file.relative_to(RESULTS).as_posix())
def test_no_run_names_a_place_of_the_machine_that_made_it(archive):
    for line in archive.read_text(encoding="utf-8").splitlines():
        files = json.loads(line)["files"]
        settings = json.loads(files["record.json"])["settings"]
        assert [settings[key] for key in _PLACES if str(settings.get(key, "")).startswith(("/", "~"))] == []
        assert not re.search(r"^ +(root|path): [/~]", files["config.yaml"], flags=re.MULTILINE)


def test_tuned_rates_name_their_trials():
    trials = {run.record.identity for run in find_records(RESULTS / "study").trials}
    files = sorted((RESULTS / "study").rglob("tuned/**/*.json"))
    assert files
    for file in files:
        tuned = json.loads(file.read_text(encoding="utf-8"))
        assert {run for trial in tuned["trials"] for run in trial["runs"]} <= trials
