"""Rehearse the paper's runs at full size on this machine: predicted memory and time beside measured ones.

    python scripts/rehearsal.py [--backbones roberta_large,clip_vit_b32] [--methods frod,lora] [--steps 3] [--to DIR]

Writes random weights of each backbone's real shapes into a local directory and trains every method on them for a few
steps through `frod-bench`, with the paper's recipe and real rows. The measured peak is that of the process less that of
the same method's tiny run, which is the framework's own; malloc returns freed blocks, so only live memory counts. The
predicted seconds are those of `frod-bench plan`, for the steps and the evaluation, without the initialisation.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import open_clip
import yaml
from safetensors.torch import save_file

from frod_bench.backbones.skeleton import make_skeleton
from frod_bench.config.backbones import registered_backbone
from frod_bench.config.instantiate import build
from frod_bench.files import save_text
from frod_bench.forecast.cost import cost
from frod_bench.forecast.device import Device, this_device
from frod_bench.forecast.facts import plan_facts
from frod_bench.forecast.memory import footprint
from frod_bench.methods import method_names
from frod_bench.record import StoredRun, environment, find_records
from frod_bench.report.table import table_of_records, to_markdown

TASKS = {"roberta_large": "glue/sst2", "clip_vit_b32": "vision/eurosat"}
_GIB = 2**30
_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "HF_HUB_OFFLINE": "1"}


def write_weights(backbone: str, folder: Path) -> Path:
    """Write random weights of a backbone's shapes, as released ones are stored; return what `backbone.path` takes."""
    known = registered_backbone(backbone)
    place = folder / backbone
    if known.architecture.reads_images:
        file = place / "open_clip_model.safetensors"
        if not file.exists():
            place.mkdir(parents=True, exist_ok=True)
            tensors = open_clip.CLIP(**open_clip.get_model_config(known.config["model"])).state_dict()
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, file)
        return file
    if not (place / "model.safetensors").exists():
        make_skeleton(known.architecture.values, 2, known.architecture.layers).save_pretrained(place)
        build(registered_backbone("minilm").config, "backbones").processor().save_pretrained(place)
    return place


def train(method: str, words: list[str], out: Path) -> StoredRun | str:
    """Run one method with the overrides `words`, below `out`; return its run, or why there is none."""
    command = [sys.executable, "-m", "frod_bench", f"method={method}", "wandb.mode=disabled", "force=true", *words]
    print(shlex.join(command), flush=True)
    place = {"FROD_BENCH_OUT": str(out), "FROD_BENCH_CACHE": str(out / "cache")}
    own = os.environ | _ENVIRONMENT | place
    done = subprocess.run(command, env=own, stderr=subprocess.PIPE, text=True, check=False)
    runs = [run for run in find_records(out).runs if run.record.method == method]
    if done.returncode or not runs:
        return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return runs[0]


def rehearse(backbone: str, method: str, overrides: list[str], out: Path, device: Device) -> dict[str, Any]:
    """Return a row of the table."""
    row: dict[str, Any] = {"backbone": backbone, "method": method}
    words = [f"task={TASKS[backbone]}", "train.epochs=1"]
    tiny = train(method, [*words, "profile=smoke"], out / "tiny" / method)
    run = train(method, [*words, f"backbone={backbone}", *overrides], out / backbone / method)
    if isinstance(tiny, str) or isinstance(run, str):
        return row | {"failed": run if isinstance(run, str) else tiny}
    record, config = run.record, yaml.safe_load(run.files.read_config())
    predicted = footprint(config).peak
    measured = record.memory["peak_bytes"] - tiny.record.memory["peak_bytes"]
    one = cost(config, record.samples)
    seconds = one.flop / (device.rate[one.half] * plan_facts()["utilisation"])
    took = record.time["train_s"] + record.time["eval_s"]
    return row | {
        "predicted_gib": predicted / _GIB,
        "measured_gib": measured / _GIB,
        "predicted_over_measured": predicted / measured,
        "init_s": record.time["init_s"],
        "predicted_s": seconds,
        "measured_s": took,
        "measured_over_predicted_s": took / seconds,
    }


def main() -> int:
    """Run everything, print the table and write it after each row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", default=",".join(TASKS), help=f"comma-separated (default: {','.join(TASKS)})")
    parser.add_argument("--methods", help="comma-separated (default: all)")
    parser.add_argument("--steps", type=int, default=3, help="training steps of 64 rows (default: 3)")
    parser.add_argument("--data", default="../shared/data", help="data.root of the runs (default: ../shared/data)")
    parser.add_argument("--out", type=Path, default=Path("outputs/rehearsal"), help="folder for weights and runs")
    parser.add_argument("--to", type=Path, help="write rehearsal.json and .md into this folder")
    arguments = parser.parse_args()
    methods = arguments.methods.split(",") if arguments.methods else [m for m in method_names() if m != "peft"]
    device, rows = this_device(), []
    for backbone in arguments.backbones.split(","):
        weights = write_weights(backbone, arguments.out.resolve())
        overrides = [f"backbone.path={weights}", "data.source=local", f"data.root={arguments.data}"]
        overrides += [f"data.max_train={64 * arguments.steps}", "data.max_eval=64"]
        for method in methods:
            rows.append(rehearse(backbone, method, overrides, arguments.out, device))
            print(rows[-1], flush=True)
            if arguments.to:
                _write(rows, arguments.to, device)
    return any("failed" in row for row in rows)


def _write(rows: list[dict[str, Any]], to: Path, device: Device) -> None:
    to.mkdir(parents=True, exist_ok=True)
    place = environment(device.name)
    table = to_markdown(table_of_records(rows, _text, "left", title="Full-size runs of a few steps:", absent=""))
    rates = f"{device.rate[False] / 1e9:.0f} GFLOP/s in float32, {device.rate[True] / 1e9:.0f} in bfloat16"
    facts = f"{device.name} ({place['cpu']}); matrix products run at {rates}; commit {place['commit']}."
    save_text(to / "rehearsal.json", json.dumps({"rows": rows, "environment": place}, indent=2) + "\n")
    save_text(to / "rehearsal.md", f"# A rehearsal at full size\n\n`{shlex.join(sys.argv)}`\n\n{facts}\n\n{table}")


def _text(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    sys.exit(main())
