"""Figure 4: its caption, the text about it, and the arrays that it is drawn from."""

import io
import re
from math import log
from typing import TYPE_CHECKING

from frod_bench.audit import printed
from frod_bench.audit.claim import READS_CODE, UNDECIDED, Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence
from frod_bench.audit.release import Release

if TYPE_CHECKING:
    import numpy as np

_FOLDER = "Plot_Anything/converage"
_NUMBERED = re.compile(r"(?P<method>[a-z]+)_loss_list_(?P<number>\d+)\.npy")
_CLASSES = 196
_BATCHES = (64, 512)  # of the script of Table 2, and of GOAT's


def _arrays(release: Release) -> dict[str, "np.ndarray"]:
    import numpy as np

    names = [name for name in release.files(_FOLDER) if name.endswith(".npy")]
    return {name: np.load(io.BytesIO(release.blob(name)), allow_pickle=False) for name in names}


def runs(evidence: Evidence) -> dict[str, dict[str, "np.ndarray"]]:
    """Return the numbered arrays of Figure 4, by method and number."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, array in _arrays(evidence.release("AAAI2026-FRoD")).items():
        if numbered := _NUMBERED.fullmatch(name.rpartition("/")[2]):
            found.setdefault(numbered["method"], {})[numbered["number"]] = array
    return found


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
        " losses step by step, as the caption says, and no accuracies by epoch, as the text says.",
        ("array", "steps", "epochs at batch 64", "epochs at batch 512", "first", "last"),
        rows,
    )


def _final(evidence: Evidence) -> Finding:
    frod, full = (printed.row(evidence, "table2", name).cells["Cars"] for name in ("FRoD(s=0.02)", "Full FT"))
    return Finding(
        UNDECIDED,
        "The release has no accuracies of these runs, and the figure shows losses (claim `figure4-accuracy`). Table 2"
        f" prints {frod} and {full} for Cars, {frod - full:+.2f} apart, but of other runs.",
        would_take="The final accuracies of the five runs of FRoD and of full fine-tuning behind Figure 4.",
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
        "Figure 4 illustrates the epoch-wise validation accuracy on Stanford Cars",
        "The arrays behind Figure 4 are accuracies.",
        'paper, "Convergence Speed"',
        _accuracy,
        needs=READS_CODE,
    ),
    Claim(
        "figure4-final",
        "FRoD’s final accuracy [...] within 0.1% of full fine-tuning",
        "The runs of FRoD and of full fine-tuning behind Figure 4 end within 0.1 points of each other.",
        'paper, "Convergence Speed"',
        _final,
    ),
    Claim(
        "figure4-protocol",
        "",
        "Figure 4 shows the training of Table 2's Cars column (batch 64).",
        "Figure 4 beside Table 2",
        _protocol,
        needs=READS_CODE,
    ),
)
