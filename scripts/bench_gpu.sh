#!/bin/bash
# Measure on a GPU: first check that the core is right there, then time and memory at the paper's shapes; tables go to $TO
# (results/bench). It has not run on a GPU yet, so its duration is unknown.
#   scripts/bench_gpu.sh
#   TO=/tmp/rehearsal scripts/bench_gpu.sh --device cpu --narrow 16 --layers 2 --batch 1 --rounds 2     on a CPU
# Arguments go to every measurement. A part that fails does not stop the others; the exit code is then 1.
set -uo pipefail
cd "$(dirname "$0")/.."
TO=${TO:-results/bench} PYTHON=${PYTHON:-python} code=0
FROD_BENCH_CACHE=$(mktemp -d)
export FROD_BENCH_CACHE PYTHONPATH=src
WAYS=frod,frod_factored,frod_residual,frod_merged,frod_recompute,frod_global

measure() {
    "$PYTHON" -m frod_bench bench "$@" --to "$TO" || code=1
}

"$PYTHON" -m pytest -q -p no:cacheprovider tests/ops tests/adapters tests/linalg/test_joint.py || code=1
"$PYTHON" -m pytest -q -p no:cacheprovider -m gpu tests/train || code=1
measure start --shape llama2_7b --layers 2 "$@"
measure step --shape llama2_7b --layers 4 --dtype bf16 --contenders base,lora,peft_frod,$WAYS "$@"
measure ops --shape llama2_7b --dtype bf16 "$@"
measure init --shape llama2_7b --dtype bf16 --contenders frod "$@"
measure step --shape clip_vit_b32 --dtype bf16 --contenders base,lora,dora,vera,full_ft,peft_frod,frod "$@"
measure step --shape roberta_large --dtype bf16 --contenders base,lora,dora,vera,full_ft,peft_frod,frod "$@"
measure init --shape clip_vit_b32 "$@"
measure memory_model --shape roberta_large --dtype bf16 "$@"
rm -rf "$FROD_BENCH_CACHE"
exit $code
