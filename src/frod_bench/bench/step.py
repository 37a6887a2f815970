"""`bench step`: one training step of each contender on one backbone's shapes."""

from typing import Any

from frod_bench.bench.check import check_against_peft
from frod_bench.bench.contenders import Setting, adapt
from frod_bench.bench.peak import peak_bytes
from frod_bench.bench.timing import Progress, Stepper, gemm_rate, ratio, spread, take_turns
from frod_bench.module_names import matches
from frod_bench.ops.cost import linear_step

BASE, PEFT = "base", "peft_"
_FLOOR = "the frozen target layers, forward and input gradient"


def bench_step(setting: Setting, names: list[str], rounds: int, progress: Progress) -> dict[str, Any]:
    """Return a row per contender, the machine's matrix-product rate and the errors of the check against PEFT.

    Raises RunFailure when that check fails. On a GPU one contender is in memory at a time; on a CPU all take turns.
    """
    progress.say("checking against PEFT's FRoD")
    errors = check_against_peft(setting)
    tokens = setting.architecture.tokens(setting.batch, setting.length)
    width = next(setting.model().parameters()).shape[-1]
    groups = [[name] for name in names] if setting.device.type == "cuda" else [names]
    rows: dict[str, dict[str, Any]] = {}
    seconds: dict[str, dict[str, list[float]]] = {}
    rate = gemm_rate(tokens, width, setting.dtype, setting.device)
    for group in groups:
        steppers = {}
        for name in group:
            progress.say(f"building {name}")
            model, adapted = adapt(name, setting)
            steppers[name] = Stepper(model, setting.inputs(), adapted)
        take_turns(steppers, rounds, progress)
        for name, stepper in steppers.items():
            rows[name] = {"contender": name, "trainable": stepper.trainable, **spread(stepper.seconds)}
            rows[name]["gflop"] = stepper.flops / 1e9
            rows[name]["evaluation_ms"] = spread(stepper.evaluation_seconds)["median_ms"]
            seconds[name] = {"time": stepper.seconds, "evaluation": stepper.evaluation_seconds}
        rate = max(rate, gemm_rate(tokens, width, setting.dtype, setting.device))
        del steppers, stepper, model, adapted
    for name, row in rows.items():
        progress.say(f"memory of {name}")
        row["peak_mib"] = peak_bytes(name, setting) / 2**20
        row["of_gemm_rate"] = 1e12 * row["gflop"] / row["median_ms"] / rate
        peft = name if name.startswith(PEFT) else PEFT + name.split("_")[0]
        for what, column, other in (("time", "lora", "lora"), ("time", "peft", peft), ("evaluation", "base", BASE)):
            if other in rows:
                row[f"{what}_over_{column}"] = ratio(seconds[name][what], seconds[other][what])
    floor = 2e-9 * sum(linear_step(tokens, m, n) for m, n in _target_shapes(setting))  # in GFLOP
    return {
        "rows": list(rows.values()),
        "gemm_gflops": rate / 1e9,
        "floor": {"gflop": floor, "ms": 1e12 * floor / rate, "what": _FLOOR},
        "check": {"tolerance": "1e-5 relative, float32, four blocks eight times narrower", "errors": errors},
    }


def _target_shapes(setting: Setting) -> list[tuple[int, int]]:
    weights = [f"{target}.weight" for target in setting.architecture.targets]
    found = (p.shape for name, p in setting.model().named_parameters() if matches(name, weights))
    return [(m, n) for m, n in found]
