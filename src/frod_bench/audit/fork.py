"""The FRoD layers of the released PEFT fork, run on small random weights in a process of their own.

Two files of the authors' are executed, from commits whose hashes were compared, and only where `--run-code` says so.
The process gets nothing of ours but these texts: no environment, an empty working directory, Python's isolated mode.
It is no sandbox: it runs as the user, who can be on a machine with files and a network.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from frod_bench.audit import fork_process
from frod_bench.audit.evidence import Evidence, MissingEvidence
from frod_bench.audit.release import Release

LAYER, MODEL = "peft/src/peft/tuners/frod/layer.py", "peft/src/peft/tuners/frod/model.py"
_PATIENCE = 300  # seconds
_ENVIRONMENT = {
    "PATH": os.defpath,
    "OMP_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "HF_HUB_OFFLINE": "1",
    "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",  # the release reads back the files that it just wrote as torch 2.0 did
}


def run_check(evidence: Evidence, question: str, commit: str, **settings: Any) -> dict[str, Any]:
    """Return what a function of `fork_process` measures on the layers of a commit.

    Raises MissingEvidence when the user has not agreed to run the code, and when the layers do not run here.
    """
    release = evidence.release("AAAI2026-FRoD")
    if not evidence.run_code:
        what = f"It takes running two files of {release.url} on this machine ({LAYER} and model.py beside it)"
        raise MissingEvidence(f"{what}, which is for you to allow.", "frod-bench audit --code DIR --run-code")
    return _answer(release, question, commit, settings)


def _answer(release: Release, question: str, commit: str, settings: dict[str, Any]) -> dict[str, Any]:
    request = {
        "question": question,
        "layer": release.source(LAYER, commit).text,
        "model": release.source(MODEL, commit).text,
        "settings": settings,
    }
    words = [sys.executable, "-I", str(Path(fork_process.__file__).resolve())]
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
                timeout=_PATIENCE,
            )
        except subprocess.TimeoutExpired as error:
            raise MissingEvidence(f"The release's layers did not answer within {_PATIENCE} s.", "make setup") from error
    if done.returncode:
        reason = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no message"])[-1]
        raise MissingEvidence(f"The release's layers do not run in the installed PEFT: {reason}.", "make setup")
    return json.loads(done.stdout)
