"""No code of others is run and no pickle is read: the calls that could do so, found in every source file."""

import ast
from pathlib import Path

import pytest

import frod_bench

PACKAGE = Path(frod_bench.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py")) + sorted((PACKAGE.parents[1] / "scripts").glob("*.py"))
FORBIDDEN = {"pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}
WANTED = {  # a call of this name must have this keyword with this value
    "load": ("weights_only", True, "torch"),
    "from_pretrained": ("trust_remote_code", False, None),
    "from_config": ("trust_remote_code", False, None),
}


def untrusting(text: str) -> list[str]:
    """Return what in a source text reads pickles or may run code of others."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [name for name in names if name.split(".")[0] in FORBIDDEN]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            keywords = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
            owner = node.func.value.id if isinstance(node.func.value, ast.Name) else None
            keyword, value, module = WANTED.get(node.func.attr, (None, None, None))
            automatic = owner is not None and (owner.startswith("Auto") or owner == "auto" or owner == module)
            if keyword is not None and automatic and keywords.get(keyword) is not value:
                found.append(f"{owner}.{node.func.attr}, line {node.lineno}")
            if owner == "np" and node.func.attr == "load" and keywords.get("allow_pickle") is not False:
                found.append(f"np.load, line {node.lineno}")
            if keywords.get("trust_remote_code") is True or keywords.get("allow_pickle") is True:
                found.append(f"{node.func.attr}, line {node.lineno}")
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_no_file_trusts(file):
    assert untrusting(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from joblib import load",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f)",
        "np.load(f, allow_pickle=True)",
        "AutoTokenizer.from_pretrained(d)",
        "AutoModel.from_pretrained(d, trust_remote_code=True)",
        "auto.from_pretrained(d)",
        "load_dataset(d).map(x, trust_remote_code=True)",
    ],
)
def test_what_trusts_is_found(line):
    assert untrusting(line)


@pytest.mark.parametrize("line", ["torch.load(f, weights_only=True)", "json.load(f)", "self.load(rows)"])
def test_what_does_not_passes(line):
    assert untrusting(line) == []
