"""`frod-bench audit`: check what the paper and its released code say against what can be measured here."""

import argparse
import sys
import warnings
from pathlib import Path

from tqdm import tqdm

from frod_bench.audit import page
from frod_bench.audit.claim import CheckedClaim, check_claims
from frod_bench.audit.claims import CLAIMS, SECTIONS
from frod_bench.audit.evidence import Evidence, Weights
from frod_bench.cli.parser import command_parser
from frod_bench.cli.written import say_written, write_texts
from frod_bench.config.paths import config_dir, paper_dir
from frod_bench.console import show
from frod_bench.errors import RequestError, did_you_mean
from frod_bench.record import environment

_EXAMPLES = """\
examples:
  frod-bench audit                           check every claim: minutes, no training
  frod-bench audit --list                    list the claims
  frod-bench audit --only eq15               check one claim and print the rows behind its verdict
  frod-bench audit --code DIR --to results/audit    also read the released code; write audit.md and audit.json
  frod-bench audit --code DIR --run-code     also run two files of the released code, in a separate process
  frod-bench audit params --to DIR           count the trainable parameters of every row of Tables 2-4 in five ways
"""


def main(argv: list[str]) -> int:
    """Check the claims and print their findings; with `--to`, also write the page. `params` prints another table.

    Raises RequestError for an unknown claim and for a folder that does not exist or cannot be written.
    """
    if argv[:1] == ["params"]:
        from frod_bench.cli import audit_params

        return audit_params.main(argv[1:])
    arguments = _parser().parse_args(argv)
    if arguments.list:
        for title, section in SECTIONS.items():
            show(f"{title}\n" + "\n".join(f"  {claim.name:<22} {claim.checks}" for claim in section))
        return 0
    names = _names(arguments.only)
    sections = _judge(names, _evidence(arguments), details=bool(arguments.only))
    show(page.totals([j for section in sections.values() for j in section]))
    if arguments.to is not None:
        texts = {"audit.md": page.to_markdown(sections), "audit.json": page.to_json(sections, environment("cpu"))}
        say_written(write_texts(arguments.to, texts))
    return 0


def _judge(names: list[str], evidence: Evidence, details: bool) -> dict[str, list[CheckedClaim]]:
    sections: dict[str, list[CheckedClaim]] = {}
    bar = tqdm(total=len(names), unit="claim", disable=None, leave=False, file=sys.stderr)
    with bar, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the libraries', about models that the audit only counts
        for title, section in SECTIONS.items():
            chosen = [claim for claim in section if claim.name in names]
            for judged in check_claims(chosen, evidence):
                bar.write(page.to_text(judged) + (page.details_text(judged) if details else ""), file=sys.stdout)
                bar.update()
                sections.setdefault(title, []).append(judged)
    return sections


def _names(only: list[str] | None) -> list[str]:
    names = [claim.name for claim in CLAIMS]
    for name in only or []:
        if name not in names:
            hint = f"{did_you_mean(name, names)} `frod-bench audit --list` prints all names."
            raise RequestError(f"--only {name}: there is no such claim. {hint}")
    return only or names


def _evidence(arguments: argparse.Namespace) -> Evidence:
    for folder in filter(None, (*(arguments.runs or ()), arguments.code)):
        if not folder.is_dir():
            raise RequestError(f"There is no folder {folder}. Give another one, or leave the option out.")
    if arguments.run_code and arguments.code is None:
        raise RequestError("--run-code runs files of the released code: give its folder with --code DIR.")
    results = paper_dir().parent
    return Evidence(
        paper=paper_dir(),
        configs=config_dir(),
        runs=arguments.runs or [results / "runs", results / "study"],
        bench=results / "bench",
        weights=_weights,
        code=arguments.code,
        run_code=arguments.run_code,
    )


def _weights(backbone: str) -> Weights:
    """Return the target layers of a packaged backbone."""
    from frod_bench.config.catalogue import read_choice
    from frod_bench.config.instantiate import build
    from frod_bench.methods.support.injection import find_targets
    from frod_bench.runs.progress_bars import hide_progress_bars_in_logs

    hide_progress_bars_in_logs()
    made = build(read_choice("backbone", backbone), "backbones")
    model = made.build(2, seed=0)
    return {name: layer.weight.detach() for name, layer in find_targets(model, made.targets, made.head)}


def _parser() -> argparse.ArgumentParser:
    parser = command_parser(
        "frod-bench audit",
        "Check every claim of the paper and of its released code that can be checked without training. Prints what is"
        " stated, what is measured, and whether the claim holds.",
        _EXAMPLES,
    )
    parser.add_argument("--list", action="store_true", help="list the claims without checking them")
    parser.add_argument("--only", action="append", metavar="NAME", help="check only this claim; may be repeated")
    code = "folder with clones of AAAI2026-FRoD and GOAT-PEFT; they are read at fixed commits"
    parser.add_argument("--code", type=Path, metavar="DIR", help=code)
    run = "also run two files of AAAI2026-FRoD's PEFT, without your environment but as your user: this is no sandbox"
    parser.add_argument("--run-code", action="store_true", help=run)
    help_runs = "folder of runs; may be repeated (default: results/runs and results/study)"
    parser.add_argument("--runs", type=Path, action="append", metavar="DIR", help=help_runs)
    parser.add_argument("--to", type=Path, metavar="DIR", help="write audit.md and audit.json into DIR")
    return parser
