"""Claims about the released code, on clones with small files of ours that have the property or have it not."""

import io
import json

import numpy as np
import pytest

from frod_bench.audit import scripts
from frod_bench.audit.claim import FAILS, HOLDS, UNDECIDED

VISION = """
def get_lora_config(method, seed):
    if method.lower() == "frod":
        return FRODConfig()
    elif method.lower() == "vera":
        return VeraConfig(r=4, target_modules=["q_proj", "fc1"], modules_to_save=["classifier"])
    elif method.lower() == "randlora":
        return RandLoraConfig(r=4, target_modules=["q_proj", "fc1"], modules_to_save=["{saved}"])
def main(method):
    {seed}
    if method.lower() == "frod":
        optimizer = AdamW([{{"params": [p for n, p in model.named_parameters() if "x" in n]}}])
    elif method.lower() == "vera":
        optimizer = AdamW([
            {{"params": [p for n, p in model.named_parameters() if "vera_lambda" in n]}},
            {{"params": [p for n, p in model.named_parameters() if "{head}" in n]}},
        ])
    elif method.lower() == "randlora":
        optimizer = AdamW([
            {{"params": [p for n, p in model.named_parameters() if "randlora_" in n]}},
            {{"params": [p for n, p in model.named_parameters() if "{head}" in n]}},
        ])
    elif method.lower() == "{last}":
        optimizer = AdamW(model.parameters())
    for epoch in range({epochs}):
        if accuracy {operator} best_accuracy:
            model.save_pretrained("x")
"""
GLUE = """
def main(method):
    {seed}
    epochs = {epochs}
    metric = evaluate.load("glue", {metric})
    for epoch in range(epochs):
        if accuracy {operator} best_accuracy:
            model.save_pretrained("x")
"""
COMMONSENSE = """
def get_lora_config(method):
    if method.lower() == "{word}":
        return FRODConfig()
    return LoraConfig()
def build_prompt(example, task):
    if task == "hellaswag":
        return "x"
    return f"{{example['{field}']}}"
def label_to_idx(example, task):
    if task == "{label}":
        return 1
def main(method):
    {seed}
    data = load_dataset("{data}")
    model = LlamaForSequenceClassification.from_pretrained("x")
    for epoch in range({epochs}):
        if accuracy {operator} best_accuracy:
            model.save_pretrained("x")
"""
BUNDLED = "peft/src/peft/__init__.py"
OLD_PEFT = '__version__ = "0.14.1.dev0"\nfrom .tuners import VeraConfig, FRODConfig\n'
EVALUATION = {
    "goat/eval_nlg.py": "infer(x, em=True)\nextract_cs_answer(sub_data_name, o)\n",
    "goat/peta/tasks/llama_dataset_preprocessing.py": "if not em:\n    pass\n",
}
AS_RELEASED = {
    "vision": {"head": "score", "saved": "score", "last": "fullft", "epochs": 4},
    "glue": {"metric": '"sst2"', "epochs": 5},
    "commonsense": {"word": "FROD", "field": "passage", "label": "boolq", "data": "x", "epochs": 6},
}
AS_STATED = {
    "vision": {"head": "classifier", "saved": "classifier", "last": "lora", "epochs": 3},
    "glue": {"metric": "task", "epochs": 3},
    "commonsense": {
        "word": "frod", "field": "question", "label": "hellaswag", "data": "commonsense_170k", "epochs": 4,
    },
}  # fmt: skip
NAMES = [
    f"train_{s}_{a}_{b}.sh"
    for s in ("1e-2", "2e-2", "1e-1")
    for a in ("1e-5", "5e-5", "1e-4", "5e-4")
    for b in ("1e-4", "5e-4", "1e-3", "5e-3")
]


def files(settings, seed, operator):
    common = {"seed": seed, "operator": operator}
    texts = {scripts.VISION: (VISION, "vision"), scripts.GLUE: (GLUE, "glue")}
    texts |= {scripts.COMMONSENSE: (COMMONSENSE, "commonsense")}
    return {path: text.format(**settings[kind], **common) for path, (text, kind) in texts.items()}


@pytest.fixture
def released(clone):
    made = files(AS_RELEASED, "pass", ">")
    made |= {f"ablation_study/{name}": "" for name in NAMES}
    made |= {scripts.ABLATION: "for epoch in range(10):\n    pass\n", BUNDLED: OLD_PEFT}
    clone("AAAI2026-FRoD", first=made, head=made | {"x": "1"})


@pytest.fixture
def stated(clone):
    made = files(AS_STATED, "set_seed(1)", "<") | {
        BUNDLED: OLD_PEFT + "from .tuners import RandLoraConfig, LoraConfig\n"
    }
    clone("AAAI2026-FRoD", first=made, head=made | {"x": "1"})


def make_goat(clone, epochs):
    shell = (
        "CUDA_NUM=4\ntotalbz=512\ndeclare -A eps=(\n"
        + "".join(f'["{name}"]={n}\n' for name, n in epochs.items())
        + ")\n"
    )
    questions = json.dumps([{"instruction": "is it so? true/false"}] * 2)
    made = {"vit.sh": shell, "glue.sh": "ep=10\nep=50\n", "dataset/boolq/test.json": questions}
    made["goat/peta/tasks/cv/registry.py"] = "from .eurosat import EuroSAT, EuroSATVal\nmax_val_samples=5000\n"
    clone("GOAT-PEFT", head=made | EVALUATION)


EPOCHS = {"Cars": 35, "DTD": 76, "EuroSAT": 12, "GTSRB": 11, "RESISC45": 15, "SUN397": 14, "SVHN": 4}
JUDGED = (
    "epochs", "commonsense170k", "glue-metric", "repeatable", "vera-head", "all-methods-run",
    "llama-trains-frod", "llama-at-publication", "hellaswag-runs", "selection",
)  # fmt: skip


@pytest.mark.parametrize("name", JUDGED)
def test_a_script_as_released(check, clone, released, name):
    make_goat(clone, EPOCHS)
    assert check(name).verdict == FAILS


@pytest.mark.parametrize(
    "name", [*(name for name in JUDGED if name != "all-methods-run"), "randlora-head", "same-question"]
)
def test_a_script_as_stated(check, clone, stated, name):
    make_goat(clone, EPOCHS)
    assert check(name).verdict == HOLDS


@pytest.mark.parametrize("name", ["randlora-head", "same-question"])
def test_what_a_release_cannot_have_made_is_not_judged_by_it(check, clone, released, name):
    make_goat(clone, EPOCHS)
    finding = check(name)
    assert finding.verdict == UNDECIDED and finding.would_take.startswith("The script and the")


def test_a_method_that_the_bundled_library_lacks_is_named(check, released):
    assert "lacks what it imports for randlora" in check("all-methods-run").measured


@pytest.mark.parametrize(
    ("names", "verdict"), [((1, 2, 3, 4, 5), HOLDS), ((1, 2, 3, 4), FAILS), ((1, 2, 3, 4, 4.5), FAILS)]
)
def test_sampled_seeds_are_five_runs_of_a_method(check, clone, names, verdict):
    made = {}
    for number in names:
        array = io.BytesIO()
        np.save(array, np.full(3, int(number)))  # 4.5 is a copy of 4
        made[f"Plot_Anything/converage/ours_loss_list_{int(10 * number)}.npy"] = array.getvalue()
    clone("AAAI2026-FRoD", head=made)
    assert check("seeds").verdict == verdict


def test_lines_are_named(check, released, evidence):
    short = evidence.release("AAAI2026-FRoD").short()
    assert check("epochs").rows[0][1:] == (3, 4, f"image_classification/clip_vit_peft.py:25 ({short})")
    vera = check("vera-head")
    assert [row[1] > 0 for row in vera.rows] == [True, False] and "0 of the 2 parameters" in vera.measured


def test_the_grid_of_scripts(check, released):
    assert check("grid").verdict == HOLDS


def test_budgets(check, clone, released):
    make_goat(clone, EPOCHS)
    finding = check("budget")
    assert finding.verdict == FAILS
    assert finding.rows == (
        # 8,144 rows: 128 batches of 64 four times; 7,330 of them are 29 batches of 256, 14 steps of two, 35 times
        ("Cars", "yes", 4, 35, 512, 490),
        ("DTD", "yes", 4, 76, 236, 532),
        ("EuroSAT", "yes", 4, 12, 1352, 504),  # has validation rows of its own: 21,600 train, 85 batches
        ("GTSRB", "yes", 4, 11, 1668, 517),
        ("RESISC45", "yes", 4, 15, 1184, 495),
        ("SUN397", "yes", 4, 14, 1244, 490),
        ("SVHN", "yes", 4, 4, 4580, 532),  # 68,257 of 73,257 rows
    )
    assert "but for EuroSAT, whose validation rows lie apart (goat/peta/tasks/cv/registry.py:2" in finding.measured


def test_budgets_of_cells_that_are_no_copies(check, clone, released, edit, evidence):
    make_goat(clone, EPOCHS)
    edit("table2", "Full FT", dict.fromkeys(EPOCHS, 50))
    assert check("budget").verdict == HOLDS  # the script gives both methods the same epochs


@pytest.mark.parametrize(("epochs", "verdict"), [(4, HOLDS), (3, FAILS)])
def test_equal_budgets(check, clone, released, epochs, verdict):
    make_goat(clone, dict.fromkeys(EPOCHS, epochs))
    assert check("budget").verdict == verdict


@pytest.mark.parametrize(
    ("first", "steps", "verdicts"), [(5.3, 35 * 15, (FAILS, FAILS)), (0.01, 4 * 127, (HOLDS, HOLDS))]
)
def test_arrays_of_figure_four(check, clone, first, steps, verdicts):
    array = io.BytesIO()
    np.save(array, np.linspace(first, 0.1, steps))
    clone("AAAI2026-FRoD", head={"Plot_Anything/converage/ours.npy": array.getvalue()})
    assert (check("figure4-accuracy").verdict, check("figure4-protocol").verdict) == verdicts
