"""How the numbers were made: epochs, data, metric and budget in the text and in the released scripts."""

import ast
import json
import re
from statistics import fmean
from typing import Any

from frod_bench.audit import printed, scripts
from frod_bench.audit.claim import HOLDS, READS_CODE, UNDECIDED, Claim, Finding, verdict
from frod_bench.audit.claims import curves
from frod_bench.audit.evidence import Evidence
from frod_bench.audit.release import Source

# suite, script, epochs of the text ("Main Results"; RTE is said to take ten)
_EPOCHS = (("images", scripts.VISION, 3), ("commonsense", scripts.COMMONSENSE, 4), ("GLUE", scripts.GLUE, 3))
_BOOLQ = "dataset/boolq/test.json"
_GOAT_EVAL, _GOAT_INFER = "goat/eval_nlg.py", "goat/peta/tasks/llama_dataset_preprocessing.py"
_BATCH = 64  # rows of one optimizer step of FRoD's script on images
_GOAT_MICRO, _GOAT_ACCUMULATED = 256, 2  # rows on GOAT's four GPUs at once, and how many of these a step takes
_GOAT_SPLITS = "goat/peta/tasks/cv/registry.py"
_SAMPLED = 5  # seeds of Figure 4
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
        + ". They keep the best epoch (claim `selection`), which may be one within the text's number; but the rate of"
        " the two cosine schedules reaches zero at the end of the scripts' epochs, not of the text's.",
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


def _written(source: Source, node: ast.expr) -> str:
    return source.text.splitlines()[node.lineno - 1]


def _metric(evidence: Evidence) -> Finding:
    source = _frod(evidence, scripts.GLUE)
    load = scripts.calls(source, "load")[0]
    arguments = [ast.unparse(argument).strip("'") for argument in load.args]
    cola = printed.frod(evidence, "table4").cells["CoLA"]
    return Finding(
        verdict(arguments != ["glue", "sst2"]),
        f"One metric, {'/'.join(arguments)}, which is accuracy, serves all seven tasks ({source.at(load)}). Hu et al."
        " report accuracy for five of them, Matthews correlation for CoLA and accuracy over both evaluation sets for"
        f" MNLI. The printed {cola} for CoLA is {round(cola * evidence.eval_rows('glue/cola') / 100)} of"
        f" {evidence.eval_rows('glue/cola'):,} right answers.",
    )


def _budget(evidence: Evidence) -> Finding:
    """Compare FRoD with full fine-tuning, of which the sentence speaks, by GOAT's budget where its cells are GOAT's."""
    source = _frod(evidence, scripts.VISION)
    own, line = scripts.epochs(source)
    release = evidence.release("GOAT-PEFT")
    theirs, splits = (release.source(path) for path in ("vit.sh", _GOAT_SPLITS))
    found = {name: int(count) for name, count in re.findall(r'\["(\w+)"\]=(\d+)', theirs.text)}
    full = printed.row(evidence, "table2", "Full FT").cells
    goat = printed.goat_cells(evidence, "table2", "Full FT")
    copied = [column for column, value in full.items() if goat.get(column) == value]
    whole = [column for column in full if f"{column}Val" in splits.text]
    rows: list[tuple[Any, ...]] = []
    for column in full:
        n = evidence.train_rows(printed.task("table2", column))
        held = 0 if column in whole else min(int(0.1 * n), _GOAT_HELD_BACK)
        steps = [-(-n // _BATCH) * own, -(-(n - held) // _GOAT_MICRO) // _GOAT_ACCUMULATED * found[column]]
        rows.append((column, "yes" if column in copied else "no", own, found[column], *steps))
    same = all(row[2] == row[3] for row in rows) or all(row[4] == row[5] for row in rows)
    return Finding(
        verdict(same or not copied),
        f"The image script of FRoD has a branch for full fine-tuning with the same {own} epochs at batch {_BATCH}"
        f" ({source.at(line)}). But {len(copied)} of {len(full)} printed cells of full fine-tuning in Table 2 are"
        f" GOAT's to the last digit, and its script trains {min(r[3] for r in rows)} to {max(r[3] for r in rows)}"
        f" epochs at batch {_GOAT_MICRO * _GOAT_ACCUMULATED} ({_GOAT_MICRO // 4} rows on each of 4 GPUs,"
        f" {_GOAT_ACCUMULATED} such batches a step;"
        f" {theirs.at(*map(theirs.line_of, ('CUDA_NUM=', 'totalbz=', 'eps=')))}): more epochs on"
        f" {sum(r[3] > r[2] for r in rows)} of {len(rows)} datasets, and fewer optimizer steps on"
        f" {sum(r[5] < r[4] for r in rows)}. GOAT's steps are counted without the rows that it validates on, a tenth"
        f" and {_GOAT_HELD_BACK:,} at most, but for {' and '.join(whole) or 'none'}, whose validation rows lie apart"
        f" ({splits.at(splits.line_of('max_val_samples=5000'))}), and as transformers 4.44 counts them: an epoch ends"
        " with its last whole step. The rule here: the same number of epochs, or of optimizer steps, on every image"
        " dataset is the same budget.",
        ("dataset", "cell of full fine-tuning is GOAT's", "epochs, FRoD", "epochs, GOAT", "steps, FRoD", "steps, GOAT"),
        tuple(rows),
    )


def _passage(evidence: Evidence) -> Finding:
    """Compare the questions only: how GOAT's rows were evaluated its released script does not show."""
    own = _frod(evidence, scripts.COMMONSENSE)
    line = own.line_of("['passage']")
    theirs = evidence.release("GOAT-PEFT")
    questions = [row["instruction"] for row in json.loads(theirs.blob(_BOOLQ))]
    words = [len(question.split()) for question in questions]
    evaluation, inference = theirs.source(_GOAT_EVAL), theirs.source(_GOAT_INFER)
    asked = (
        f"the {len(questions):,} instructions of {_BOOLQ} ({theirs.short()}) have {fmean(words):.0f} words on average"
        f" and at most {max(words)}, so no passage"
    )
    if not line:
        return Finding(HOLDS, f"FRoD's script asks BoolQ without the passage, and so does GOAT's data: {asked}.")
    return Finding(
        UNDECIDED,
        f"FRoD's script puts the passage of BoolQ into the prompt ({own.at(line)}). In GOAT's data {asked}. But GOAT's"
        f" script, as released, takes the likeliest letter for these data"
        f" ({evaluation.at(evaluation.line_of('em=True'))}, {inference.at(inference.line_of('if not em'))}) and then"
        f" looks for the words true and false in it ({evaluation.at(evaluation.line_of('extract_cs_answer(sub'))}),"
        " which finds none. So the released script as it stands did not make the marked rows, and what did is not"
        " shown.",
        would_take="The script and the data with which the marked rows were evaluated.",
    )


def _seeds(evidence: Evidence) -> Finding:
    """Look for what the caption speaks of: the five runs of every method behind Figure 4."""
    runs = curves.runs(evidence)
    wanted = {method: len(found) for method, found in runs.items()}
    distinct = all(len({array.tobytes() for array in found.values()}) == len(found) for found in runs.values())
    return Finding(
        verdict(bool(runs) and distinct and all(count == _SAMPLED for count in wanted.values())),
        "The arrays behind Figure 4 are "
        + ", ".join(f"{count} of {method}" for method, count in wanted.items())
        + f", each under a number of its own; no two of a method are {'equal' if distinct else 'different'}. That the"
        " numbers are the seeds the release does not say.",
        ("method", "number in the file name", "first", "last"),
        tuple((m, number, float(a[0]), float(a[-1])) for m, found in runs.items() for number, a in found.items()),
    )


def _repeatable(evidence: Evidence) -> Finding:
    paths = (scripts.VISION, scripts.GLUE, scripts.COMMONSENSE)
    seeding = {path: _seeding(_frod(evidence, path)) for path in paths}
    return Finding(
        verdict(all(seeding.values())),
        f"{sum(bool(calls) for calls in seeding.values())} of the {len(paths)} training scripts call a function that"
        " seeds a random generator. Without one the head, the order of the rows and dropout differ from run to run,"
        " which samples runs but repeats none.",
        ("script", "calls that seed"),
        tuple((path, len(calls)) for path, calls in seeding.items()),
    )


def _seeding(source: Source) -> list[ast.Call]:
    names = ("manual_seed", "manual_seed_all", "set_seed", "seed_everything")
    return [call for name in names for call in scripts.calls(source, name)]


CLAIMS = (
    Claim(
        "epochs",
        "in just three epochs; Within four epochs; Running for only three epochs",
        "The released scripts train three epochs on images, four on commonsense reasoning and three on GLUE.",
        'paper, "Main Results"',
        _epochs,
        needs=READS_CODE,
    ),
    Claim(
        "commonsense170k",
        "We fine-tune LLaMA2-7B (Touvron et al. 2023) on Commonsense170K",
        "The released script trains on this mixture.",
        'paper, "Datasets"',
        _mixture,
        needs=READS_CODE,
    ),
    Claim(
        "glue-metric",
        "following the setup of (Hu et al. 2021)",
        "The metrics of Table 4 are those of Hu et al. 2021.",
        'paper, "Datasets"',
        _metric,
        needs=READS_CODE,
    ),
    Claim(
        "budget",
        "FRoD matches full model fine-tuning in accuracy, [...] under identical training budgets",
        "Full fine-tuning in Table 2 was trained with FRoD's budget.",
        "paper, abstract",
        _budget,
        needs=READS_CODE,
    ),
    Claim(
        "seeds",
        "We randomly sample five seed values.",
        "The repository has five different runs of each method behind Figure 4.",
        "paper, caption of Figure 4",
        _seeds,
        needs=READS_CODE,
    ),
    Claim(
        "repeatable",
        "",
        "A run of the released training scripts can be repeated: they seed the random generators.",
        "Tables 2-4; the three training scripts",
        _repeatable,
        needs=READS_CODE,
    ),
    Claim(
        "same-question",
        "",
        "The marked rows of Table 3 answer the questions that FRoD answers.",
        "the comparison in Table 3",
        _passage,
        needs=READS_CODE,
    ),
)
