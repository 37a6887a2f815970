"""Run the FRoD layers of the released PEFT fork on small random weights, in a separate process.

Two of the authors' files are executed, only with `--run-code` and only from commits whose hashes were verified. The
process receives these two texts and nothing else: no environment, an empty working directory, Python's isolated mode.
This is not a sandbox: the code runs as the user and can reach the user's files and network.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from frod_bench.audit.evidence import Evidence, MissingEvidence
from frod_bench.audit.release import Release

LAYER, MODEL = "peft/src/peft/tuners/frod/layer.py", "peft/src/peft/tuners/frod/model.py"
_TIMEOUT_S = 300
_PROGRAM = Path(__file__).resolve().with_name("fork_process.py")
_ENVIRONMENT = {
    "PATH": os.defpath,
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",  # the release reads its own files back, as torch 2.0 allowed
}


def run_check(evidence: Evidence, check: str, commit: str, **settings: Any) -> dict[str, Any]:
    """Return what the function `check` of `fork_process` measures on the layers of a commit.

    Raises MissingEvidence when the user has not allowed the code to run, and when the layers do not run here.
    """
    release = evidence.release("AAAI2026-FRoD")
    if not evidence.run_code:
        what = f"It takes running two files of {release.url} on this machine ({LAYER} and model.py beside it)"
        raise MissingEvidence(f"{what}, which is for you to allow.", "frod-bench audit --code DIR --run-code")
    return _answer(release, check, commit, settings)


def _answer(release: Release, check: str, commit: str, settings: dict[str, Any]) -> dict[str, Any]:
    request = {
        "check": check,
        "layer": release.source(LAYER, commit).text,
        "model": release.source(MODEL, commit).text,
        "settings": settings,
    }
    words = [sys.executable, "-I", str(_PROGRAM)]
    with tempfile.TemporaryDirectory() as folder:
        environment = _ENVIRONMENT | {"HOME": folder, "TMPDIR": folder}
        try:
            done = subprocess.run(
                words,
                input=json.dumps(request).encode(),
                capture_output=True,
                check=False,
                cwd=folder,
                env=environment,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise MissingEvidence(
                f"The release's layers did not answer within {_TIMEOUT_S} s.", "make setup"
            ) from error
    if done.returncode:
        reason = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"])[-1]
        raise MissingEvidence(f"The release's layers do not run in the installed PEFT: {reason}.", "make setup")
    return json.loads(done.stdout)
