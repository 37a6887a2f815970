"""`bench gpu`: what is to be known of a GPU in one command: is it correct, how fast is each way, was that predicted?"""

import dataclasses
import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

from frod_bench.bench.check import check_against_peft
from frod_bench.bench.contenders import Setting, adapt
from frod_bench.bench.names import GPU_BLOCKS
from frod_bench.bench.shapes import timed_backbone
from frod_bench.bench.timing import Progress, Stepper, gemm_rate, spread, take_turns
from frod_bench.errors import RunFailure
from frod_bench.train.memory import peak_memory, reset_peak
from frod_bench.train.out_of_memory import is_out_of_memory

REFERENCE = "lora"


def bench_gpu(
    setting: Setting,
    names: list[str],
    rounds: int,
    progress: Progress,
    *,
    minutes: float,
    blocks: int | None = None,
    batch: int | None = None,
    keep: Callable[[dict[str, Any]], None] = lambda result: None,
) -> dict[str, Any]:
    """Return a row per backbone and contender, and the errors of the checks, in about `minutes` minutes.

    Backbones, blocks and rows per step are those of `GPU_BLOCKS`, at most `blocks` and `batch` if given; the rest is
    from `setting`. One contender is in memory at a time. A row has the measured time, the time of the counted products
    at the machine's measured rate, which leaves out all memory-bound work, and both over LoRA's. A contender that fails
    has the reason in its row; once the time is over, the others have "not reached". `keep` is called with the result
    after each backbone. Raises RunFailure when FRoD differs from PEFT's on this device, and when nothing was timed.
    """
    end = time.monotonic() + 60 * minutes
    result: dict[str, Any] = {"rows": [], "check": {"tolerance": "1e-5 relative, float32", "errors": {}}}
    settings = list(_settings(setting, blocks, batch))
    for own in settings:
        name = own.architecture.name
        progress.say(f"{name}: checking against PEFT's FRoD")
        errors = check_against_peft(own)
        result["check"]["errors"] |= {f"{name}: {what}": error for what, error in errors.items()}
    for own in settings:
        result["rows"] += _rows(own, names, rounds, progress, end)
        keep(result)
    if not any("ms" in row for row in result["rows"]):
        raise RunFailure("Nothing could be timed: " + "; ".join(sorted({row["note"] for row in result["rows"]})))
    return result


def _settings(setting: Setting, blocks: int | None, batch: int | None) -> Iterable[Setting]:
    for name, fitting in GPU_BLOCKS.items():
        backbone = timed_backbone(name)
        yield dataclasses.replace(
            setting,
            architecture=backbone,
            layers=min(blocks or fitting, fitting),
            batch=min(batch or backbone.batch, backbone.batch),
            length=backbone.length,
        )


def _rows(setting: Setting, names: list[str], rounds: int, progress: Progress, end: float) -> list[dict[str, Any]]:
    tokens = setting.architecture.tokens(setting.batch, setting.length)
    skeleton = setting.architecture.build(1, setting.dtype, torch.device("meta"), setting.narrow)
    rate = gemm_rate(tokens, next(skeleton.parameters()).shape[-1], setting.dtype, setting.device)
    rows: list[dict[str, Any]] = []
    for name in names:
        row: dict[str, Any] = {"backbone": setting.architecture.name, "blocks": setting.layers, "contender": name}
        if time.monotonic() > end:
            rows.append(row | {"note": "not reached"})
            continue
        progress.say(f"{row['backbone']}: {name}")
        rows.append(row | _measured(name, setting, rounds, progress, rate))
    reference = next((row for row in rows if row["contender"] == REFERENCE and "ms" in row), None)
    for row in rows:
        if reference is not None and "ms" in row:
            row |= {
                "over_lora": row["ms"] / reference["ms"],
                "predicted_over_lora": row["predicted_ms"] / reference["predicted_ms"],
            }
    return rows


def _measured(name: str, setting: Setting, rounds: int, progress: Progress, rate: float) -> dict[str, Any]:
    """Return the columns of one contender; `rate` is that of the machine's products in FLOP/s."""
    try:
        start = time.perf_counter()
        model, adapted = adapt(name, setting)
        stepper = Stepper(model, setting.inputs(), adapted)
        attached = time.perf_counter() - start
        reset_peak()
        take_turns({name: stepper}, rounds, progress)
    except Exception as error:  # one contender's failure must not cost the others their times
        return {"note": "out of memory" if is_out_of_memory(error) else f"{type(error).__name__}: {error}"[:200]}
    found = spread(stepper.seconds)
    return {
        "ms": found["median_ms"],
        "low_ms": found["low_ms"],
        "high_ms": found["high_ms"],
        "predicted_ms": 1e3 * stepper.flops / rate,
        "gflop": stepper.flops / 1e9,
        "of_gemm_rate": stepper.flops / rate / (found["median_ms"] / 1e3),
        "evaluation_ms": spread(stepper.evaluation_seconds)["median_ms"],
        "attach_s": attached,
        "peak_mib": peak_memory(setting.device)[0] / 2**20,
        "trainable": stepper.trainable,
    }
