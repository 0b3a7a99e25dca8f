#!/usr/bin/env bash
# Full fine-tuning, LoRA and QLoRA of Qwen3-shaped models with random weights on one GPU: tokens/s, MFU, peak memory, beside plain TRL defaults.
#
#   bash tests/bench/gpu_sft.sh                         # one H200: about 25 minutes; prints a table, keeps the meta files in $OUT
#   WHEELS=dir bash tests/bench/gpu_sft.sh              # a bare machine without a package index: packages are installed from these wheels
#
# Settings by environment: SHAPES (default "qwen3_4b qwen3_8b"), STEPS (8), ROWS (2000), OUT (data/runs/gpu_sft), PYTHON.
# Goals on one H200: full 8B above 10,500 non-padding tokens/s (57.8 % MFU, non-causal count), LoRA 8B above 11,600.
set -euo pipefail
cd "$(dirname "$0")/../.."
OUT=${OUT:-data/runs/gpu_sft} SHAPES=${SHAPES:-"qwen3_4b qwen3_8b"} STEPS=${STEPS:-8} ROWS=${ROWS:-2000}
if [ -n "${WHEELS:-}" ]; then
    python3 -m venv "$OUT/venv"
    "$OUT/venv/bin/pip" install -q --no-index --find-links "$WHEELS" torch transformers trl peft accelerate datasets bitsandbytes pyyaml tensorboard matplotlib pyarrow tqdm
    for extra in flash_attn liger_kernel; do "$OUT/venv/bin/pip" install -q --no-index --find-links "$WHEELS" $extra || echo "without $extra"; done
    PYTHON="$OUT/venv/bin/python"
fi
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader
$PYTHON tests/bench/gpu_sft_models.py --output "$OUT" --shapes $SHAPES --rows "$ROWS"

run() {   # name, model folder, options of sft.py
    local name=$1 model=$2; shift 2
    echo "== $name"
    $PYTHON 03_sft/sft.py --model_name_or_path "$OUT/$model" --train_file "$OUT/rows.jsonl" --output_dir "$OUT/$name" --max_length 4096 --max_steps "$STEPS" \
        --global_batch_size 64 --eval_rows 0 --stop_test_prompts 0 --save_strategy no --report_to none --logging_steps 1 --fresh "$@" 2> "$OUT/$name.log" \
        || { echo "$name failed:"; tail -n 3 "$OUT/$name.log"; return 0; }
    rm -f "$OUT/$name"/*.safetensors   # 16 GB each
}

for shape in $SHAPES; do
    run "$shape-full-bf16" "$shape" --dtype bfloat16 --bf16 true --learning_rate 5e-6
    run "$shape-full-bf16-liger" "$shape" --dtype bfloat16 --bf16 true --use_liger_kernel true --learning_rate 5e-6
    run "$shape-full-bf16-nockpt" "$shape" --dtype bfloat16 --bf16 true --gradient_checkpointing false --learning_rate 5e-6
    run "$shape-full-fp32" "$shape" --dtype float32 --bf16 true --learning_rate 5e-6
    run "$shape-lora" "$shape" --use_peft --lora_r 16 --learning_rate 2e-4
    run "$shape-lora-nockpt" "$shape" --use_peft --lora_r 16 --gradient_checkpointing false --learning_rate 2e-4
    run "$shape-qlora" "$shape" --use_peft --load_in_4bit --lora_r 16 --learning_rate 2e-4
    # TRL as it comes: no packing, SDPA, rows padded to the longest of 8
    run "$shape-trl-defaults" "$shape" --packing false --attn_implementation sdpa --per_device_train_batch_size 8 --dtype bfloat16 --bf16 true --learning_rate 5e-6
done
$PYTHON tests/bench/gpu_sft_models.py --output "$OUT" --report
