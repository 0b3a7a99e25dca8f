#!/usr/bin/env bash
# Training speed and memory on one GPU, row by row: full, LoRA, QLoRA, Unsloth, plain TRL beside them. Models of the right shape with random weights.
#
#   bash tests/bench/gpu_sft.sh                              # every row; each row is one process of 2 to 4 minutes; ends with the table
#   RUNS="full-8b trl-full-8b" bash tests/bench/gpu_sft.sh   # some rows: pieces of under 10 minutes; the table grows with OUT
#                                                            # (then "lora-8b qlora-8b trl-lora-8b", "full-4b lora-4b": one model in each piece)
#   WHEELS=dir bash tests/bench/gpu_sft.sh                   # a bare rented machine: its own torch, transformers, accelerate and peft stay, the wheels
#                                                            # of dir are unpacked beside them, without pip or an index: trl datasets dill multiprocess
#                                                            # msgspec liger_kernel torchao bitsandbytes, 49 MB for Python 3.12; RUNS=" " only unpacks
#   REHEARSE=1 bash tests/bench/gpu_sft.sh                   # tiny shapes, also without a GPU: shows that every row runs
#
# Settings: OUT (results, data/runs/gpu_sft), KEEP (models, rows, packages, logs, kept while the machine is warm, /tmp/gpu_sft), STEPS (6), PYTHON.
# Nothing that is trained is saved.
# Goals: one H200, full 8B above 10,500 non-padding tokens/s; one H100, LoRA 8B above 12,500, LoRA 4B above 16,000, QLoRA 8B above 9,600.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
OUT=${OUT:-data/runs/gpu_sft} KEEP=${KEEP:-/tmp/gpu_sft} STEPS=${STEPS:-6}
RUNS=${RUNS-"full-4b full-8b lora-4b lora-8b qlora-8b unsloth-8b trl-full-8b trl-lora-8b"}
PYTHON=${PYTHON:-$([[ -x .venv/bin/python ]] && echo .venv/bin/python || echo python3)}
mkdir -p "$OUT" "$KEEP"
for wheel in ${WHEELS:+"$WHEELS"/*.whl}; do $PYTHON -m zipfile -e "$wheel" "$KEEP/packages"; done
export PYTHONPATH=$KEEP/packages${PYTHONPATH:+:$PYTHONPATH}
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null || true
for run in $RUNS; do
    echo "== $run"
    $PYTHON tests/bench/gpu_sft_run.py --run "$run" --output "$OUT" --keep "$KEEP" --steps "$STEPS" ${REHEARSE:+--rehearse} 2>"$KEEP/$run.log" \
        || { echo "$run failed:"; tail -n 4 "$KEEP/$run.log"; }
done
$PYTHON tests/bench/gpu_sft_run.py --output "$OUT" --report
