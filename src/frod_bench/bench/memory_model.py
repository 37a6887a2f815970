"""`bench memory_model`: the predicted memory of every method beside what a separate process measures."""

from functools import partial
from typing import Any

from torch import nn

from frod_bench.bench.contenders import Setting
from frod_bench.bench.peak import measure_peaks
from frod_bench.bench.timing import Progress
from frod_bench.methods import make_method
from frod_bench.methods.support.method import Method
from frod_bench.train.memory_model import predict_memory

_MIB = 2**20


def adapted(method: Method, setting: Setting) -> nn.Module:
    """Return the setting's backbone adapted by a method, in training mode, with everything that the method keeps."""
    arch = setting.architecture
    found = method.attach(setting.model(), list(arch.targets), [arch.head])
    vars(found.model)["adapted"] = found  # kept alive as long as the model, as in a run
    return found.model.train()


def bench_memory_model(setting: Setting, methods: list[str], progress: Progress) -> dict[str, Any]:
    """Return a row per method: predicted and measured MiB of the initialisation and of a step, and their ratio.

    The measured peaks are those of live memory, see `measure_peaks`; `process_mib` is the peak of a process whose
    malloc keeps freed blocks. Raises RunFailure when a measuring process dies.
    """
    arch, rows = setting.architecture, []
    for name in methods:
        progress.say(f"memory of {name}")
        method = make_method(name)
        found = predict_memory(
            setting.model, setting.inputs, method, list(arch.targets), [arch.head],
            device_type=setting.device.type,
        )  # fmt: skip
        measured, process = (measure_peaks(partial(adapted, method), setting, live) for live in (True, False))
        rows.append(
            {
                "method": name,
                "weights_mib": found.weights / _MIB,
                "adapter_mib": found.adapter / _MIB,
                "gradients_mib": found.gradients / _MIB,
                "optimizer_mib": found.optimizer / _MIB,
                "activations_mib": found.activations / _MIB,
                "init_predicted_mib": found.initialisation / _MIB,
                "init_measured_mib": measured.initialisation / _MIB,
                "step_predicted_mib": found.step / _MIB,
                "step_measured_mib": measured.step / _MIB,
                "peak_predicted_over_measured": found.peak / max(measured),
                "process_mib": max(process) / _MIB,
            }
        )
    return {"rows": rows}
