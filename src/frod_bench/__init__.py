"""frod-bench: the experiments of FRoD and of the methods it is compared with.

In a script of your own, `attach(model, method="frod", targets=[...], head=[...])` adapts a model in place and
`load_adapter(model, directory)` restores what `Adapted.save` wrote. `load_run(folder)` opens a run of the command line:
its model, its processor, and `predict(rows)`.

- One adapter at a time. What cannot be adapted correctly is refused: layers whose values other code reads, offloaded
  weights, computed biases, and an adapter made for other base weights or another precision.
- `adapted.roles` groups what trains by learning rate; each trainable parameter is in exactly one role.
- Micro-batches: `with adapted.fixed_weights(passes=4):` around the forward and backward passes of one optimizer step
  forms each layer's merged weight once for all four.
- GOAT's load-balance loss spans the whole optimizer step. Sum `adapted.batch_statistics()` over the micro-batches in a
  first pass without gradients, and give the sum to `adapted.auxiliary_loss(...)` in the second. The command line does
  this itself, at the price of one more forward pass where `train.gradient_accumulation_steps` is above 1.
- Hooks on an adapted layer, torch's and accelerate's, see what the adapted layer reads and returns, and go back to the
  plain layer with `merge()` and `detach()`.
- FRoD layers can be differentiated any number of times and under `torch.func`. `way="factored"` is refused for a layer
  whose factors rebuild its weight to worse than 1e-5 (a few roundings in half precision); `auto` takes another way.
- A target whose weight is zero gets no gradient from frod, pissa, milora and goat. `attach` warns about it, and a run's
  record lists the layer under `without_gradient`.
- `adapted.save(folder, format="peft")` writes what `PeftModel.from_pretrained` loads, for models whose layers are told
  apart by name as PEFT does it. A model of numbered modules alone, such as `nn.Sequential`, needs
  `attach(..., basis="peft")` from the start.
"""

import logging
from typing import Any

__all__ = ["attach", "load_adapter", "load_run"]

# peft imports bitsandbytes, which warns on some CPUs that an optional kernel of a hub is not installed
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def __getattr__(name: str) -> Any:
    # torch and peft take seconds to import; commands that need neither should not pay for them
    if name == "load_run":
        from frod_bench.runs.predict import load_run

        return load_run
    if name in __all__:
        from frod_bench import methods

        return getattr(methods, name)
    raise AttributeError(f"module 'frod_bench' has no attribute {name!r}")
