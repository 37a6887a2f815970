"""What the released FRoD layers and scripts do, measured by running them in small."""

import torch

from frod_bench.audit import fork, scripts
from frod_bench.audit.claim import FAILS, HOLDS, Claim, Finding, verdict
from frod_bench.audit.evidence import Evidence
from frod_bench.audit.fork import LAYER, MODEL, Setting
from frod_bench.audit.release import Release

_COMMITS = ("first", "head")
_EXACT = 1e-4  # relative; both releases compute in float32, the newer one from a basis rounded to half precision
_DENSITIES = (0.01, 0.02, 0.1)


def _release(evidence: Evidence) -> Release:
    return evidence.release("AAAI2026-FRoD")


def _start(evidence: Evidence) -> Finding:
    release, rows = _release(evidence), []
    for commit in _COMMITS:
        weight, layer = fork.layer(release, commit, fork.bases(release, commit, [Setting(0.1)])[0])
        x = _inputs(weight)
        with torch.no_grad():
            found, base = layer(x), x @ weight.T
        rows.append((release.commits[commit], _relative(found, base), _relative(found, 2 * base)))
    source = release.source(LAYER)
    return Finding(
        verdict(all(row[1] < _EXACT for row in rows)),
        "Relative distance of a freshly adapted layer's output from the pretrained layer's: "
        + ", ".join(f"{row[1]:.0e} in {row[0]}" for row in rows)
        + f". The newest commit adds U Sigma V^T x to the base layer's output without emptying the base layer, so it"
        f" starts at twice the weight (distance from 2 W x: {rows[-1][2]:.0e};"
        f" {source.at(source.line_of('result = result + out_add'))}).",
        ("commit", "distance from W x", "distance from 2 W x"),
        tuple(rows),
    )


def _inputs(weight: torch.Tensor) -> torch.Tensor:
    return torch.randn(16, weight.shape[1], generator=torch.Generator().manual_seed(1))


def _relative(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found - wanted).norm() / wanted.norm()).item()


def _product(evidence: Evidence) -> Finding:
    release = _release(evidence)
    weight, layer = fork.layer(release, "head", fork.bases(release, "head", [Setting(0.1)])[0])
    x = _inputs(weight)
    with torch.no_grad():
        still = layer(x)
        values = layer.FROD_lambda_S_values["default"]
        values.copy_(0.1 * torch.randn(len(values), generator=torch.Generator().manual_seed(2)))
        moved = layer(x) - still  # what S adds in the forward pass
        with_s = layer.get_delta_weight("default")
        values.zero_()
        S = with_s - layer.get_delta_weight("default")  # U S V^T, what merging adds
    difference = _relative(moved, x @ S.T)
    source = release.source(LAYER)
    return Finding(
        verdict(difference < _EXACT),
        "With random values of S the part that the forward pass adds and the part that merging adds differ by"
        f" {difference:.0%}: the forward pass multiplies by the transpose of S"
        f" ({source.at(source.line_of('S_sparse.t()'))}), merging by S"
        f" ({source.at(source.line_of('U @ (S + L) @ V.T'))}). Training is not harmed, since the pattern is random; a"
        " merged model is another one than the trained one.",
    )


def _pattern_of_density(evidence: Evidence) -> Finding:
    release = _release(evidence)
    rows = []
    for commit in _COMMITS:
        together = fork.bases(release, commit, [Setting(s) for s in _DENSITIES])
        alone = [fork.bases(release, commit, [Setting(s)])[0] for s in _DENSITIES]
        for s, first, second in zip(_DENSITIES, together, alone, strict=True):
            rows.append((release.commits[commit], s, int(first.places.sum()), int(second.places.sum())))
    scripts_there = [name for name in release.files("ablation_study") if name.endswith(".sh")]
    source = release.source(MODEL)
    return Finding(
        verdict(all(row[2] == row[3] for row in rows)),
        f"Run one after the other in one working directory, s = {', '.join(map(str, _DENSITIES))} train"
        f" {', '.join(str(row[2]) for row in rows[-3:])} values a layer of {_width(rows)} inputs; in directories of"
        f" their own {', '.join(str(row[3]) for row in rows[-3:])}. The pattern is kept in files whose name and check"
        f" know nothing of s ({source.at(source.line_of('if cache_exists:'), source.line_of('sparse_rate'))}; the first"
        f" release likewise). The grid of Table 5 is {len(scripts_there)} scripts of one directory; whether the files"
        " were removed between them cannot be known from the repository.",
        ("commit", "s", "values after another density", "values in a directory of its own"),
        tuple(rows),
    )


def _width(rows: list[tuple]) -> int:
    return round((rows[-1][3] / rows[-1][1]) ** 0.5)


def _pattern_of_key(evidence: Evidence) -> Finding:
    release = _release(evidence)
    rows = []
    for commit in _COMMITS:
        same = [fork.bases(release, commit, [Setting(0.1, key=3)])[0].places for _ in range(2)]
        rows.append((release.commits[commit], int((same[0] & same[1]).sum()), int(same[0].sum())))
    return Finding(
        verdict(all(both == drawn for _, both, drawn in rows)),
        "Two draws with the same projection_prng_key share "
        + ", ".join(f"{both} of {drawn} places in {commit}" for commit, both, drawn in rows)
        + ": the pattern comes from torch's global generator, which the scripts do not seed. An adapter that is saved"
        " without it (save_projection is false in the scripts) cannot be read back.",
        ("commit", "places that both draws have", "places"),
        tuple(rows),
    )


def _llama(evidence: Evidence) -> Finding:
    source = _release(evidence).source(scripts.COMMONSENSE, "first")
    dead = scripts.never_true(source)
    later = scripts.never_true(_release(evidence).source(scripts.COMMONSENSE))
    if not dead:
        return Finding(HOLDS, "No condition compares a lower-case word with one that has capitals.")
    return Finding(
        FAILS,
        f"In the release at publication {len(dead)} conditions compare a lower-case word with 'FROD' and are never true"
        f" ({source.at(*dead)}), so --method FROD trains what the last branch makes, LoRA"
        f" ({source.at(*scripts.calls(source, 'LoraConfig'))}), without a message. The newest commit has {len(later)}"
        " such conditions.",
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
        "An adapted layer starts as the pretrained one.",
        f"paper, Eq. 7; {LAYER}",
        _start,
        code=True,
    ),
    Claim(
        "merge-is-forward",
        "The adapted layer computes U (Sigma + S) V^T x, and merging it changes nothing.",
        f"paper, Eq. 8; {LAYER}",
        _product,
        code=True,
    ),
    Claim(
        "pattern-of-density",
        "Each density of Table 5 trains a pattern of its own size.",
        f"paper, Table 5; {MODEL}",
        _pattern_of_density,
        code=True,
    ),
    Claim(
        "pattern-of-key",
        "projection_prng_key fixes the random pattern of S.",
        f"{MODEL}; the scripts pass 3",
        _pattern_of_key,
        code=True,
    ),
    Claim(
        "llama-trains-frod",
        "The released commonsense script trains FRoD when it is told to.",
        scripts.COMMONSENSE,
        _llama,
        code=True,
    ),
    Claim(
        "hellaswag-runs",
        "The released commonsense script can train and evaluate HellaSwag.",
        f"paper, Table 3; {scripts.COMMONSENSE}",
        _hellaswag,
        code=True,
    ),
)
