#!/usr/bin/env bash
# Training speed and memory on one GPU, row by row: full, LoRA, QLoRA, Unsloth, plain TRL beside them. Models of the right shape with random weights.
#
#   bash tests/bench/gpu_sft.sh                              # every row; each row is one process of 2 to 4 minutes; ends with the table
#   RUNS="full-8b trl-full-8b" bash tests/bench/gpu_sft.sh   # some rows: pieces of under 10 minutes; the table grows
#   WHEELS=dir bash tests/bench/gpu_sft.sh                   # a bare rented machine: its own torch, transformers, accelerate and peft stay, wheels of dir
#                                                            # are added without an index (trl datasets dill multiprocess msgspec liger_kernel torchao
#                                                            # bitsandbytes); at most 64 MiB a call, so it may be called with several folders, RUNS=" "
#   REHEARSE=1 bash tests/bench/gpu_sft.sh                   # tiny shapes, also without a GPU: shows that every row runs
#
# Settings: OUT (results, data/runs/gpu_sft), KEEP (models, rows and packages, kept while the machine is warm, /tmp/gpu_sft), STEPS (6), PYTHON.
# One formula for MFU everywhere (03_sft/fit_estimate.py): 10,500 tokens/s of a full 8B on an H200 are 51.4 %. Nothing that is trained is saved.
# Goals: one H200, full 8B above 10,500 non-padding tokens/s; one H100, LoRA 8B above 12,500, LoRA 4B above 16,000, QLoRA 8B above 9,600.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
OUT=${OUT:-data/runs/gpu_sft} KEEP=${KEEP:-/tmp/gpu_sft} STEPS=${STEPS:-6}
RUNS=${RUNS-"full-4b full-8b lora-4b lora-8b qlora-8b unsloth-8b trl-full-8b trl-lora-8b"}
PYTHON=${PYTHON:-$([[ -x .venv/bin/python ]] && echo .venv/bin/python || echo python3)}
mkdir -p "$OUT" "$KEEP"
if [[ -n ${WHEELS:-} ]]; then
    [[ -x $KEEP/venv/bin/python ]] || python3 -m venv --system-site-packages "$KEEP/venv"
    "$KEEP/venv/bin/python" -m pip install -q --no-index --no-deps "$WHEELS"/*.whl
fi
if [[ -x $KEEP/venv/bin/python ]]; then PYTHON=$KEEP/venv/bin/python; fi
command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
for run in $RUNS; do
    echo "== $run"
    $PYTHON tests/bench/gpu_sft_run.py --run "$run" --output "$OUT" --keep "$KEEP" --steps "$STEPS" ${REHEARSE:+--rehearse} 2>"$OUT/$run.log" \
        || { echo "$run failed:"; tail -n 4 "$OUT/$run.log"; }
done
$PYTHON tests/bench/gpu_sft_run.py --output "$OUT" --report
