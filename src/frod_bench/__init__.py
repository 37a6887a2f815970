"""frod-bench: the experiments of FRoD and of what it is compared with."""

import logging
from typing import Any

__all__ = ["attach", "load_adapter"]

# peft imports bitsandbytes, which warns on some CPUs that an optional kernel of a hub is not installed
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)


def __getattr__(name: str) -> Any:
    # torch and peft take seconds to import; commands that need neither should not pay for them
    if name in __all__:
        from frod_bench import methods

        return getattr(methods, name)
    raise AttributeError(f"module 'frod_bench' has no attribute {name!r}")
