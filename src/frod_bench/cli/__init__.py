"""The command line: `frod-bench COMMAND …` runs a command; anything else is a Hydra override list."""

import importlib
import os
import shlex
import sys
from importlib.metadata import version

from frod_bench.config.user_folder import registered, take_config_dir
from frod_bench.console import say, show
from frod_bench.errors import Interrupted, RequestError, RunFailure
from frod_bench.record.places import COMMAND
from frod_bench.record.secrets import redact

# command, which is also its module here, with main(argv) -> exit code
COMMANDS = {
    "audit": "check what the paper and its released code state",
    "bench": "time FRoD against PEFT's methods on random weights",
    "continual": "train one adapter on a sequence of tasks, and measure what it forgets",
    "decompose": "compute FRoD's bases of a model directory without loading the model",
    "doctor": "check what this machine can run and what is missing",
    "export": "write a run's adapter for PEFT, or the merged model",
    "figure": "draw a figure of the paper from stored runs",
    "list": "list tasks, methods or backbones",
    "merge": "merge runs of several tasks into one model, and score it on every task",
    "plan": "estimate what a table's missing runs cost: memory, disk, hours, energy",
    "predict": "predict new rows with a run's model: a table, or images",
    "report": "print tables of stored runs, beside the paper's if asked; also stats and html",
    "retention": "score tuned models on a task that they were not tuned on",
    "table": "run the missing cells of a table and print it",
    "tune": "find learning rates with equal trials for every method, for protocol=fair",
}

_HELP = f"""usage: frod-bench [--help|--version] [OVERRIDE ...]      one run
       frod-bench -m OVERRIDE=A,B ...        every combination, complete ones skipped
       frod-bench COMMAND [--help] ...

One run trains one method on one task:

  frod-bench method=frod                                    SST-2 with RoBERTa-large from the hub: a GPU
  frod-bench method=frod task=glue/rte                      the same protocol on RTE
  frod-bench method=frod task=glue/sst2 profile=offline     packaged backbone, packaged real data, CPU
  frod-bench method=lora task=glue/cola backbone=minilm data.root=DIR

Commands:
{chr(10).join(f"  {word:<11}{what}" for word, what in COMMANDS.items())}

Choices (`frod-bench list` shows the names):
  method= task= backbone=
  profile=paper|offline|smoke       the paper's backbones on hub data; packaged ones on packaged real data; random
                                    weights on generated rows
  protocol=released|paper|goat      the released scripts, with Hugging Face's image crops; the paper's text; the code
                                    behind the rows cited from GOAT, with its crops, steps, warm-up and lengths
  protocol=fair                     rates from `frod-bench tune`; held-out rows select, evaluation rows are scored once
  selection=best_on_eval|last|holdout   which epoch counts; best and last are always recorded

Keys (`frod-bench --cfg job --resolve OVERRIDE ...` prints all of them):
  seed=0                            seeds the head, the adapter and the order of rows
  train.epochs= train.lr.ROLE= train.precision=no|bf16|fp16 train.gradient_accumulation_steps=
  method.KEY=                       e.g. method.sparsity=0.01 method.pattern=banded method.rank=8 method.head=frozen;
                                    method.scaling=authors divides RandLoRA's alpha as its authors' code does
  method=peft method.type=SHIRA method.config.r=32    any tuner of PEFT (`list methods --peft`) with its own settings
  data.root=DIR                     your own copy, DIR/nyu-mll/glue/rte/train.parquet and so on, with the hub's columns
  data.max_train= data.max_eval=    at most so many rows, the same ones for every method and seed
  data.holdout=                     training rows held out for selection=holdout: a number or a share (a tenth)
  evaluation=once|never             score the evaluation rows at the selected epoch only, or not at all
  backbone.path=DIR                 a local copy of a hub backbone (save_pretrained's directory, or CLIP's file)
  backbone.head_init=random|text    CLIP's new head: random on the mean of the patch tokens, or the zero-shot classifier
  task.scoring=generation|likelihood|likelihood_per_token    how protocol=paper finds a commonsense answer
  task.layout=commonsense170k       read LLM-Adapters' own rows; task=commonsense/all trains once, evaluates six times
  tracker=wandb|tensorboard|trackio also log there (pip install it); wandb.mode=offline keeps wandb's files here
  start=RUN                         carry the adapter of an earlier run on, with a new head
  out=DIR force=true                where this run goes; run a complete one again

Prompts and GLUE's instructions are worded by frod-bench, and a record says so under data.wording. FuRA cuts o_proj like
every other layer; its authors' script cuts it by heads.

Folders: runs go below FROD_BENCH_OUT (outputs), decompositions, images and weights below FROD_BENCH_CACHE
(~/.cache/frod-bench). FRoD's decomposition of a backbone and resized images are computed once and read from there.
Every file is written whole or not at all, with your umask; links inside a run's folder are refused.

Interruption: a run writes a checkpoint per epoch and every ten minutes (checkpoint.every_s) and keeps two. After
SIGTERM, Ctrl-C or kill -9 the same command resumes from the newest whole one, bit-for-bit on a CPU, with the run's own
number of threads, and warns about any difference that may change the last bits. It resumes only with the rows and
base weights that it began with. Two processes never share a folder, even on file systems without working locks. A
record holds a digest of itself and of its files: reports leave out an edited run and say so, and export refuses it.

A run's folder: config.yaml, metrics.jsonl, losses.jsonl, predictions.parquet, record.json, adapter/; log.txt has what
was printed, warnings and tracebacks with times, README.md the command, the score and how to use the run. `predict` and
`export` need nothing else, and no rows of the task.

Completion of keys and choices (all but tasks): eval "$(frod-bench -sc install=bash)" in this shell, or =zsh, =fish.

Your own files: --config-dir DIR (or FROD_BENCH_CONFIG_DIR) adds a folder in the layout of configs/ to every command:
task/, backbone/, method/, sweep/ and profile/. Each file sets its name and a version, by which runs are named: raise it
when a value changes. A method's class comes from an installed package, by an entry point of frod_bench.methods.

Several GPUs or processes: torchrun --nproc-per-node=4 -m frod_bench OVERRIDE ... (or accelerate launch) computes the
same effective batch. train.shard=true also splits the weights over the processes (FSDP). With several processes or
train.gradient_accumulation_steps above 1, models with batch normalisation and experts with output_router_logits are
refused.
Sweeps: -m hydra/launcher=joblib on a large host, scripts/slurm_array.sh for SLURM; pip install 'frod-bench[launchers]'.

Exit codes: 0 done, 1 the run failed, 2 the request is wrong; 143 after SIGTERM and 130 after SIGINT (Ctrl-C).
"""


def main() -> None:
    """Run the command in `sys.argv` and exit with its code."""
    sys.exit(run_command(sys.argv[1:]))


def run_command(argv: list[str]) -> int:
    """Return the exit code: 0 done, 1 the run failed, 2 the request is wrong, 128 + n stopped by signal n."""
    os.environ[COMMAND] = shlex.join(["frod-bench", *argv])  # runs in other processes read it too
    try:
        argv, folder = take_config_dir(argv)
        with registered(folder):
            return _dispatch(argv)
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


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help"):
        show(_HELP, end="")
        return 0 if argv else 2
    word = argv[0]
    if word == "--version":
        show(f"frod-bench {version('frod-bench')}")
        return 0
    if word in COMMANDS:
        return importlib.import_module(f"frod_bench.cli.{word}").main(argv[1:])
    return importlib.import_module("frod_bench.cli.run").main(argv)
