"""The command line: `frod-bench WORD …` for a sub-command, anything else is a Hydra override list."""

import importlib
import sys
from importlib.metadata import version

from frod_bench.console import say, show
from frod_bench.errors import Interrupted, RequestError, RunFailure
from frod_bench.record.secrets import redact

# word: its module here; each has main(argv) -> exit code
COMMANDS = {
    "audit": "check what the paper and its released code say against what is measured here",
    "bench": "time FRoD against PEFT's methods, on random weights of a backbone's shapes",
    "decompose": "compute FRoD's bases of a model directory without loading the model",
    "doctor": "check what this machine can run and what is missing",
    "export": "write a run's adapter for PEFT, or the merged model",
    "figure": "draw a figure of the paper from stored runs",
    "list": "list tasks, methods or backbones",
    "plan": "say what a table of the paper would cost: memory, disk, hours, energy",
    "report": "print the table of a folder of runs, or one of the paper beside its own; stats, html: more of it",
    "table": "run the missing cells of a table of the paper and print it",
}

_HELP = f"""usage: frod-bench [--help|--version] [OVERRIDE ...]      one run
       frod-bench -m OVERRIDE=A,B ...        every combination
       frod-bench COMMAND [--help] ...

One run trains one method on one task:

  frod-bench method=frod task=glue/rte                      the paper's protocol (RoBERTa-large, hub data)
  frod-bench method=frod task=glue/sst2 profile=offline     packaged backbone, packaged real data, CPU
  frod-bench method=lora task=glue/cola backbone=minilm data.source=local data.root=DIR

Choices: method=, task=, backbone=, profile=paper|offline|smoke, protocol=released|paper|goat,
selection=best_on_eval|last|holdout. Leaves: seed=, train.*, train.lr.ROLE=, method.*, data.*, wandb.mode=,
out=DIR, force=true. `frod-bench --cfg job --resolve OVERRIDE ...` prints the whole configuration.

Commands:
{chr(10).join(f"  {word:<10}{what}" for word, what in COMMANDS.items())}

Exit codes: 0 done, 1 the run failed, 2 the request is wrong; 143 after SIGTERM and 130 after SIGINT (Ctrl-C), with a
checkpoint from which the same command goes on.
"""


def main() -> None:
    """Run the command of `sys.argv` and leave with its exit code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(argv: list[str]) -> int:
    """Return the exit code: 0 done, 1 the run failed, 2 the request is wrong, 128 + n stopped by signal n."""
    if not argv or argv[0] in ("-h", "--help"):
        show(_HELP, end="")
        return 0 if argv else 2
    word = argv[0]
    if word == "--version":
        show(f"frod-bench {version('frod-bench')}")
        return 0
    try:
        if word in COMMANDS:
            return importlib.import_module(f"frod_bench.cli.{word}").main(argv[1:])
        return importlib.import_module("frod_bench.cli.run").main(argv)
    except RequestError as error:
        say(redact(f"frod-bench: {error}"), sys.stderr)
        return 2
    except RunFailure as error:
        say(redact(f"frod-bench: the run failed: {error}"), sys.stderr)
        return 1
    except Interrupted as error:
        say(f"frod-bench: stopped by {error}", sys.stderr)
        return 128 + error.signum
    except KeyboardInterrupt:
        say("frod-bench: interrupted; the same command goes on from the last checkpoint.", sys.stderr)
        return 130
    except BrokenPipeError:
        sys.stderr.close()
        return 1
