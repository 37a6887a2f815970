"""Figure 4: what its caption and the text say, and the arrays that it is drawn from."""

import io
from math import log

import numpy as np

from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence
from frod_bench.audit.release import Release

_FOLDER = "Plot_Anything/converage"
_CLASSES = 196
_BATCHES = (64, 512)  # of the script of Table 2, and of GOAT's


def _arrays(release: Release) -> dict[str, np.ndarray]:
    names = [name for name in release.files(_FOLDER) if name.endswith(".npy")]
    return {name: np.load(io.BytesIO(release.blob(name)), allow_pickle=False) for name in names}


def _accuracy(evidence: Evidence) -> Finding:
    arrays = _arrays(evidence.release("AAAI2026-FRoD"))
    starts = {name: float(array[0]) for name, array in arrays.items()}
    low, high = min(starts.values()), max(starts.values())
    n = evidence.train_rows("vision/cars")
    rows = tuple(
        (name.rpartition("/")[2], len(a), *(len(a) / (n // batch) for batch in _BATCHES), float(a[0]), float(a[-1]))
        for name, a in arrays.items()
    )
    return Finding(
        verdict(high <= 1),
        f"The {len(arrays)} arrays of the figure ({_FOLDER}) start between {low:.2f} and {high:.2f}, where the loss"
        f" of an untrained classifier of {_CLASSES} classes is ln {_CLASSES} = {log(_CLASSES):.2f}: they are training"
        " losses step by step, as the caption says, and no accuracies by epoch, as the text says. So the text's range"
        " of 0.1 % around full fine-tuning is not in the figure.",
        ("array", "steps", "epochs at batch 64", "epochs at batch 512", "first", "last"),
        rows,
    )


def _protocol(evidence: Evidence) -> Finding:
    arrays = _arrays(evidence.release("AAAI2026-FRoD"))
    n = evidence.train_rows("vision/cars")
    lengths = sorted({len(array) for array in arrays.values()})
    small, large = (n // batch for batch in _BATCHES)
    whole = {batch: all(length % (n // batch) == 0 for length in lengths) for batch in _BATCHES}
    return Finding(
        verdict(whole[64]),
        f"The arrays have {' or '.join(map(str, lengths))} steps. An epoch of Cars ({n:,} rows) has {small} full"
        f" batches of 64 and {large} of 512; the lengths are"
        f" {' and '.join(f'{length / large:g}' for length in lengths)} epochs of 512, GOAT's batch and, for the"
        " longest, its number of epochs, and no whole number of epochs of 64."
        if whole[512] and not whole[64]
        else f"The arrays have {' or '.join(map(str, lengths))} steps, {small} of which are an epoch at batch 64.",
    )


CLAIMS = (
    Claim(
        "figure4-accuracy",
        "Figure 4 shows validation accuracy on Cars by epoch, FRoD within 0.1 % of full fine-tuning at the end.",
        'paper, "Convergence Speed"',
        _accuracy,
        code=True,
    ),
    Claim(
        "figure4-protocol",
        "Figure 4 shows the training of Table 2's Cars column (batch 64).",
        'paper, "Convergence Speed"',
        _protocol,
        code=True,
    ),
)
