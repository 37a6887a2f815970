"""A few random kills; `python scripts/soak.py` makes a hundred."""

import json
import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "scripts/soak.py"


def test_killed_runs_end_with_the_bits_of_undisturbed_ones(tmp_path):
    words = ["--kills", "4", "--runs", "2", "--methods", "frod,lora", "--to", str(tmp_path)]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, env=os.environ)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["sigkill"] + figures["sigterm"] >= 4
    assert figures["unequal"] == []
