#!/bin/bash
# A table as a SLURM array, one run a task. Type on the login node: pip install 'frod-bench[launchers]', then
#   PARTITION=gpu scripts/slurm_array.sh method=frod,lora,full_ft task=glue/rte,glue/mrpc seed=0,1,2
# Every node must see the same FROD_BENCH_OUT and FROD_BENCH_CACHE: the first run computes FRoD's bases, the others
# wait and read. A preempted or timed-out task writes a checkpoint, is queued again by submitit and goes on; the same
# command starts what is missing and skips what is complete. Logs: $FROD_BENCH_OUT/.submitit.
# More than one GPU a run takes a job of its own:
#   srun --gpus=4 torchrun --nproc-per-node=4 -m frod_bench method=frod task=commonsense/boolq
set -euo pipefail
: "${PARTITION:?the name of a partition}" "${FROD_BENCH_OUT:=$PWD/outputs}" "${FROD_BENCH_CACHE:=$PWD/outputs/.cache}"
export FROD_BENCH_OUT FROD_BENCH_CACHE
exec frod-bench -m hydra/launcher=submitit_slurm \
    hydra.launcher.partition="$PARTITION" \
    hydra.launcher.array_parallelism="${PARALLEL:-16}" \
    hydra.launcher.gpus_per_node=1 \
    hydra.launcher.cpus_per_task="${CPUS:-8}" \
    hydra.launcher.mem_gb="${MEMORY_GB:-64}" \
    hydra.launcher.timeout_min="${MINUTES:-240}" \
    "$@"
