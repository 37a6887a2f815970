"""How the numbers were made: epochs, data, metric and budget in the text and in the released scripts."""

import ast
import json
import re
from statistics import fmean

from frod_bench.audit import printed, scripts
from frod_bench.audit.claim import Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence
from frod_bench.audit.release import Source

# suite, script, epochs of the text ("Main Results"; RTE is said to take ten)
_EPOCHS = (("images", scripts.VISION, 3), ("commonsense", scripts.COMMONSENSE, 4), ("GLUE", scripts.GLUE, 3))
_BOOLQ = "dataset/boolq/test.json"
_BATCH = 64  # rows of one optimizer step of FRoD's script on images
_GOAT_MICRO, _GOAT_ACCUMULATED = 256, 2  # rows on GOAT's four GPUs at once, and how many of these a step takes
_GOAT_SPLITS = "goat/peta/tasks/cv/registry.py"
_GOAT_HELD_BACK = 5000  # rows at most of the tenth that it validates on


def _frod(evidence: Evidence, path: str, commit: str = "head") -> Source:
    return evidence.release("AAAI2026-FRoD").source(path, commit)


def _epochs(evidence: Evidence) -> Finding:
    rows = []
    for suite, path, stated in _EPOCHS:
        source = _frod(evidence, path)
        found, line = scripts.epochs(source)
        rows.append((suite, stated, found, source.at(line)))
    return Finding(
        verdict(all(stated == found for _, stated, found, _ in rows)),
        "The scripts run "
        + ", ".join(f"{found} epochs on {suite} (text: {stated})" for suite, stated, found, _ in rows)
        + ". The rate of the two cosine schedules reaches zero at the end of the scripts' epochs, not of the text's.",
        ("suite", "text", "script", "line"),
        tuple(rows),
    )


def _mixture(evidence: Evidence) -> Finding:
    source = _frod(evidence, scripts.COMMONSENSE)
    model = next(c for c in scripts.calls(source, "from_pretrained") if "SequenceClassification" in _written(source, c))
    data = scripts.calls(source, "load_dataset")
    named = [word for word in scripts.words(source.tree) if "170k" in word.lower()]
    return Finding(
        verdict(bool(named)),
        "The released script makes a sequence classifier of LLaMA2 and trains it on one dataset at a time, given by"
        f" --dataset; no string of it names the mixture. Model: {source.at(model)}; data: {source.at(*data)}.",
    )


def _written(source: Source, node) -> str:
    return source.text.splitlines()[node.lineno - 1]


def _metric(evidence: Evidence) -> Finding:
    source = _frod(evidence, scripts.GLUE)
    load = scripts.calls(source, "load")[0]
    arguments = [ast.unparse(argument).strip("'") for argument in load.args]
    cola = printed.frod(evidence, "table4").cells["CoLA"]
    return Finding(
        verdict(arguments != ["glue", "sst2"]),
        f"One metric, {'/'.join(arguments)}, which is accuracy, serves all seven tasks ({source.at(load)}), CoLA"
        f" included, where Hu et al. report Matthews correlation; the printed {cola} for CoLA is"
        f" {round(cola * evidence.eval_rows('glue/cola') / 100)} of {evidence.eval_rows('glue/cola'):,} right answers.",
    )


def _budget(evidence: Evidence) -> Finding:
    own, line = scripts.epochs(_frod(evidence, scripts.VISION))
    release = evidence.release("GOAT-PEFT")
    theirs, glue, splits = (release.source(path) for path in ("vit.sh", "glue.sh", _GOAT_SPLITS))
    found = {name: int(count) for name, count in re.findall(r'\["(\w+)"\]=(\d+)', theirs.text)}
    columns = list(printed.frod(evidence, "table2").cells)
    whole = [column for column in columns if f"{column}Val" in splits.text]
    rows = []
    for column in columns:
        n = evidence.train_rows(printed.task("table2", column))
        held = 0 if column in whole else min(int(0.1 * n), _GOAT_HELD_BACK)
        steps = [-(-n // _BATCH) * own, -(-(n - held) // _GOAT_MICRO) // _GOAT_ACCUMULATED * found[column]]
        rows.append((column, own, found[column], *steps))
    more, longer = sum(row[2] > row[1] for row in rows), sum(row[3] > row[4] for row in rows)
    return Finding(
        verdict(all(row[1] == row[2] for row in rows) or all(row[3] == row[4] for row in rows)),
        f"The script of FRoD trains {own} epochs at batch {_BATCH} on every image dataset"
        f" ({_frod(evidence, scripts.VISION).at(line)}). GOAT's, which made the five marked rows, trains"
        f" {min(r[2] for r in rows)} to {max(r[2] for r in rows)} epochs at batch"
        f" {_GOAT_MICRO * _GOAT_ACCUMULATED} ({_GOAT_MICRO // 4} rows on each of 4 GPUs, {_GOAT_ACCUMULATED} such"
        f" batches a step; {theirs.at(*map(theirs.line_of, ('CUDA_NUM=', 'totalbz=', 'eps=')))}), more on {more} of"
        f" {len(rows)} datasets, while FRoD takes more optimizer steps on {longer}. GOAT's steps are counted without"
        f" the rows that it validates on, a tenth and {_GOAT_HELD_BACK:,} at most, but for"
        f" {' and '.join(whole) or 'none'}, whose validation rows lie apart"
        f" ({splits.at(splits.line_of('max_val_samples=5000'))}), and as transformers 4.44 counts them: an epoch ends"
        " with its last whole step. On GLUE it trains 10 epochs and on RTE 50"
        f" ({glue.at(glue.line_of('ep=10'), glue.line_of('ep=50'))}). The rule here: the same number of epochs, or of"
        " optimizer steps, on every image dataset is the same budget.",
        ("dataset", "epochs, FRoD", "epochs, GOAT", "steps, FRoD", "steps, GOAT"),
        tuple(rows),
    )


def _passage(evidence: Evidence) -> Finding:
    own = _frod(evidence, scripts.COMMONSENSE)
    line = own.line_of("['passage']")
    theirs = evidence.release("GOAT-PEFT")
    questions = [row["instruction"] for row in json.loads(theirs.blob(_BOOLQ))]
    words = [len(question.split()) for question in questions]
    cited = [row for row in printed.rows(evidence, "table3") if row.cited]
    return Finding(
        verdict(not line),
        f"FRoD's script puts the passage of BoolQ into the prompt ({own.at(line)}) and classifies. GOAT's code, from"
        f" whose paper the {len(cited)} marked rows are, asks without it and reads the generated answer: the"
        f" {len(questions):,} instructions of {_BOOLQ} ({theirs.commits['head']}) have {fmean(words):.0f} words on"
        f" average and at most {max(words)}. BoolQ of the marked rows is {min(r.cells['BoolQ'] for r in cited)} to"
        f" {max(r.cells['BoolQ'] for r in cited)}, of FRoD {printed.frod(evidence, 'table3').cells['BoolQ']}.",
    )


def _seeds(evidence: Evidence) -> Finding:
    paths = (scripts.VISION, scripts.GLUE, scripts.COMMONSENSE)
    seeding = {path: _seeding(_frod(evidence, path)) for path in paths}
    return Finding(
        verdict(all(seeding.values())),
        f"{sum(bool(calls) for calls in seeding.values())} of the {len(paths)} training scripts call a function that"
        " seeds a random generator, so the head, the order of the rows and dropout differ from run to run and no"
        " printed run can be repeated.",
        ("script", "calls that seed"),
        tuple((path, len(calls)) for path, calls in seeding.items()),
    )


def _seeding(source: Source) -> list:
    names = ("manual_seed", "manual_seed_all", "set_seed", "seed_everything")
    return [call for name in names for call in scripts.calls(source, name)]


CLAIMS = (
    Claim(
        "epochs",
        "FRoD trains three epochs on images, four on commonsense reasoning and three on GLUE (ten on RTE).",
        'paper, "Main Results"',
        _epochs,
        code=True,
    ),
    Claim(
        "commonsense170k",
        "LLaMA2-7B is fine-tuned on Commonsense170K and evaluated on six datasets.",
        'paper, "Datasets"',
        _mixture,
        code=True,
    ),
    Claim(
        "same-question",
        "The marked rows of Table 3 answer the questions that FRoD answers.",
        "implied by the comparison in Table 3",
        _passage,
        code=True,
    ),
    Claim("glue-metric", "GLUE follows the setup of Hu et al. 2021.", 'paper, "Datasets"', _metric, code=True),
    Claim(
        "budget", "The methods are compared under identical training budgets.", "paper, abstract", _budget, code=True
    ),
    Claim(
        "seeds",
        "Runs are repeated under sampled seeds.",
        'paper, caption of Figure 4 and "Convergence Speed"',
        _seeds,
        code=True,
    ),
)
