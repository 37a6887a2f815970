"""What the released FRoD layers and scripts do: the layers are run on small weights, the scripts are read."""

from frod_bench.audit import fork, scripts
from frod_bench.audit.claim import FAILS, HOLDS, READS_CODE, RUNS_CODE, Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence
from frod_bench.audit.fork import LAYER, MODEL
from frod_bench.audit.release import Release

_COMMITS = ("first", "head")
_EXACT = 1e-4  # relative; both releases compute in float32, the newer one from a basis rounded to half precision
_DENSITIES = (0.01, 0.02, 0.1)
_CONFIG, _README = "peft/src/peft/tuners/frod/config.py", "README.md"


def _release(evidence: Evidence) -> Release:
    return evidence.release("AAAI2026-FRoD")


def _start(evidence: Evidence) -> Finding:
    found = {commit: fork.run_check(evidence, "start", commit) for commit in _COMMITS}
    release = _release(evidence)
    rows = [(release.short(c), answer["from_once"], answer["from_twice"]) for c, answer in found.items()]
    source = release.source(LAYER)
    newest = found["head"]
    twice = (
        " The newest commit adds U Sigma V^T x to the base layer's output without emptying the base layer, so it starts"
        f" at twice the weight (distance from 2 W x: {newest['from_twice']:.0e};"
        f" {source.at(source.line_of('result = result + out_add'))}). The numbers of the paper are older than it."
        if newest["from_twice"] < _EXACT
        else ""
    )
    return Finding(
        verdict(newest["from_once"] < _EXACT),
        "Relative distance of a freshly adapted layer's output from the pretrained layer's: "
        + ", ".join(f"{row[1]:.0e} in {row[0]}" for row in rows)
        + f".{twice}",
        ("commit", "distance from W x", "distance from 2 W x"),
        tuple(rows),
    )


def _product(evidence: Evidence) -> Finding:
    difference = fork.run_check(evidence, "product", "head")["difference"]
    source = _release(evidence).source(LAYER)
    return Finding(
        verdict(difference < _EXACT),
        "With random values of S the part that the forward pass adds and the part that merging adds differ by"
        f" {difference:.0%}: the forward pass multiplies by the transpose of S"
        f" ({source.at(source.line_of('S_sparse.t()'))}), merging by S"
        f" ({source.at(source.line_of('U @ (S + L) @ V.T'))}). Training is not harmed, since the pattern is random; a"
        " merged model is another one than the trained one.",
    )


def _pattern_of_density(evidence: Evidence) -> Finding:
    found = {commit: fork.run_check(evidence, "densities", commit, densities=_DENSITIES) for commit in _COMMITS}
    release = _release(evidence)
    rows = [
        (release.short(commit), s, after, alone)
        for commit, answer in found.items()
        for s, after, alone in zip(_DENSITIES, answer["together"], answer["alone"], strict=True)
    ]
    scripts_there = [name for name in release.files("ablation_study") if name.endswith(".sh")]
    source = release.source(MODEL)
    return Finding(
        verdict(all(row[2] == row[3] for row in rows)),
        f"Run one after the other in one working directory, s = {', '.join(map(str, _DENSITIES))} train"
        f" {', '.join(str(row[2]) for row in rows[-3:])} values a layer of {found['head']['width']} inputs; in"
        f" directories of their own {', '.join(str(row[3]) for row in rows[-3:])}. The pattern is kept in files whose"
        " name and check know nothing of s"
        f" ({source.at(source.line_of('if cache_exists:'), source.line_of('sparse_rate'))}; the first release"
        f" likewise). The grid of Table 5 is {len(scripts_there)} scripts of one directory; whether the files were"
        " removed between them the repository does not show, so this says nothing of the printed numbers.",
        ("commit", "s", "values after another density", "values in a directory of its own"),
        tuple(rows),
    )


def _pattern_of_key(evidence: Evidence) -> Finding:
    found = {commit: fork.run_check(evidence, "keys", commit, density=0.1, key=3) for commit in _COMMITS}
    rows = [(_release(evidence).short(commit), answer["both"], answer["places"]) for commit, answer in found.items()]
    return Finding(
        verdict(all(both == drawn for _, both, drawn in rows)),
        "Two draws with the same projection_prng_key share "
        + ", ".join(f"{both} of {drawn} places in {commit}" for commit, both, drawn in rows)
        + ": the pattern comes from torch's global generator, which the scripts do not seed. An adapter that is saved"
        " without it (save_projection is false in the scripts) cannot be read back.",
        ("commit", "places that both draws have", "places"),
        tuple(rows),
    )


def _llama_first(evidence: Evidence) -> Finding:
    return _llama(evidence, "first")


def _llama_head(evidence: Evidence) -> Finding:
    return _llama(evidence, "head")


def _llama(evidence: Evidence, commit: str) -> Finding:
    release = _release(evidence)
    source = release.source(scripts.COMMONSENSE, commit)
    dead = scripts.never_true(source)
    if not dead:
        where = f"{source.path} ({release.short(commit)})"
        return Finding(HOLDS, f"No condition of {where} compares a lower-case word with one that has capitals.")
    return Finding(
        FAILS,
        f"{len(dead)} conditions compare a lower-case word with 'FROD' and are never true ({source.at(*dead)}), so"
        f" --method FROD trains what the last branch makes, LoRA ({source.at(*scripts.calls(source, 'LoraConfig'))}),"
        " without a message.",
    )


def _hellaswag(evidence: Evidence) -> Finding:
    source = _release(evidence).source(scripts.COMMONSENSE)
    prompt, label = source.function("build_prompt"), source.function("label_to_idx")
    known = ["hellaswag" in scripts.words(function) for function in (prompt, label)]
    return Finding(
        verdict(all(known)),
        f"The function that writes the prompt knows HellaSwag: {'yes' if known[0] else 'no'} ({source.at(prompt)});"
        f" the one that reads the label: {'yes' if known[1] else 'no'} ({source.at(label)}). A dataset that it does"
        " not know raises NotImplementedError.",
    )


CLAIMS = (
    Claim(
        "starts-at-base",
        "The reconstructed factors provide high-fidelity initialization",
        "In the newest commit a freshly adapted layer computes what the pretrained one does.",
        f"paper, after Eq. 7; {LAYER}",
        _start,
        needs=RUNS_CODE,
    ),
    Claim(
        "merge-is-forward",
        "redefine the adaptation matrix as",
        "In the newest commit the layer computes with S as Eq. 8 writes it and as its merge does, not with S^T.",
        f"paper, Eq. 8; {LAYER}",
        _product,
        needs=RUNS_CODE,
    ),
    Claim(
        "pattern-of-key",
        "Random seed used when initializing the shared FRoD projection basis and sparse COO pattern.",
        "Two draws with one projection_prng_key give one pattern of S.",
        f"{_CONFIG}; the scripts pass 3",
        _pattern_of_key,
        needs=RUNS_CODE,
    ),
    Claim(
        "llama-trains-frod",
        "python bf16_llama_reason.py [...] --method FROD",
        "In the newest commit the commonsense script trains FRoD when it is told to.",
        _README,
        _llama_head,
        needs=READS_CODE,
    ),
    Claim(
        "hellaswag-runs",
        "Supported dataset names include: [...] hellaswag",
        "The commonsense script knows HellaSwag's prompt and label.",
        _README,
        _hellaswag,
        needs=READS_CODE,
    ),
    Claim(
        "llama-at-publication",
        "",
        "In the release at publication the commonsense script trains FRoD when it is told to.",
        f"the paper's link to its code; {scripts.COMMONSENSE}",
        _llama_first,
        needs=READS_CODE,
    ),
    Claim(
        "pattern-of-density",
        "",
        "A run with another density in the same working directory trains a pattern of its own size.",
        f"Table 5 and the scripts of its grid; {MODEL}",
        _pattern_of_density,
        needs=RUNS_CODE,
    ),
)
