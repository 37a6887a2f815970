#!/bin/bash
# Run a sweep as a SLURM array, one run per array task. On the login node: pip install 'frod-bench[launchers]', then
#   PARTITION=gpu scripts/slurm_array.sh method=frod,lora,full_ft task=glue/rte,glue/mrpc seed=0,1,2
# Every node must see the same FROD_BENCH_OUT and FROD_BENCH_CACHE: the first run computes FRoD's bases, the others wait
# and read them. A preempted or timed-out run writes a checkpoint, is queued again by submitit and resumes; the same
# command starts missing runs and skips complete ones. Logs: $FROD_BENCH_OUT/.submitit.
# A run on more than one GPU needs a job of its own:
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
