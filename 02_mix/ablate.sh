#!/usr/bin/env bash
# Which selection trains the better model? For each source and method at the same number of rows: select -> mix -> SFT -> evaluation, then one table with
# intervals and paired tests. Every step is skipped where it is finished, so a stopped ablation goes on.
#
#   INPUT=data/runs/demo/02_mix/clean.jsonl METHODS="random length" N=40 bash 02_mix/ablate.sh                 demo: 2 CPU cores, about 3 minutes an arm
#   PROFILE=full INPUT=data/runs/x/02_mix/difficulty.jsonl METHODS="difficulty random length" bash 02_mix/ablate.sh   the paper's: a GPU day an arm on 8 GPUs
#
# in   INPUT: rows with id, question, answer, source (difficulty for the method of that name)
# out  OUT/SOURCE.METHOD.sSEED/ (selected, train, model, eval), OUT/scored.jsonl, OUT/scores.csv, OUT/comparisons/, OUT/ablation.md and ablation.json,
#      OUT/report.html (and .md) with that table, viewer.html to read the answers of every arm
#
# Without N the method `difficulty` runs first and the others take as many rows as it kept, as in MegaScience; MATCH=tokens takes as many tokens instead.
# SEEDS="1 2 3" trains each arm three times; a winner must then win with every seed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ${1:-} == --help || ${1:-} == -h ]] && { sed -n '2,/^set -e/{/^set -e/!p}' "02_mix/ablate.sh" | sed 's/^# \{0,1\}//'; exit; }

PROFILE=${PROFILE:-demo}
INPUT=${INPUT:?name the rows to select from, e.g. INPUT=data/runs/demo/02_mix/clean.jsonl}
METHODS=${METHODS:-"random length"}            # of random, length, difficulty, all; or FILE.py:FUNCTION, a scorer of your own
SOURCES=${SOURCES:-all}                        # names of sources, each an ablation of its own; all: the rows of INPUT together
N=${N:-}                                       # rows an arm
MATCH=${MATCH:-rows}                           # rows | tokens: what is equal between the arms where N is not given
SEEDS=${SEEDS:-42}
OUT=${OUT:-$(dirname "$INPUT")/ablation}
case $PROFILE in
demo)
    BASE_MODEL=${BASE_MODEL:-data/runs/demo/models/base} RECIPE=${RECIPE:-03_sft/recipes/demo.yaml} MERGE=${MERGE:-true}
    BENCHMARK_DIR=${BENCHMARK_DIR-data/sample/benchmark} MAX_LENGTH=${MAX_LENGTH:-640} MAX_TOKENS=${MAX_TOKENS:-256} ENGINE=${ENGINE:-'{"max_model_len": 2048}'} ;;
full)   # Qwen2.5-7B, full fine-tuning, 4,096 tokens, all benchmarks of the hub
    BASE_MODEL=${BASE_MODEL:-Qwen/Qwen2.5-7B} RECIPE=${RECIPE:-03_sft/recipes/qwen2.5_7b.yaml} MERGE=${MERGE:-false}
    BENCHMARK_DIR=${BENCHMARK_DIR-} MAX_LENGTH=${MAX_LENGTH:-4096} MAX_TOKENS=${MAX_TOKENS:-10240} ENGINE=${ENGINE:-'{}'} ;;
*) echo "ablate.sh: PROFILE=$PROFILE is not demo or full" >&2; exit 2 ;;
esac
BENCHMARKS=${BENCHMARKS:-all} EVAL_LIMIT=${EVAL_LIMIT:-} TP=${TP:-1}
SFT_OPTIONS=${SFT_OPTIONS:---eval_rows 0 --stop_test_prompts 0}   # every row of an arm is trained on; the benchmarks are the judge
LAUNCH=${LAUNCH:-}                             # e.g. "accelerate launch --config_file 03_sft/accelerate/fsdp2.yaml --num_processes 8"
py=${VENV:-.venv}/bin/python

step() { echo "+ $*" >&2; "$@"; }
[[ -f $INPUT ]] || { echo "ablate.sh: INPUT=$INPUT: there is no such file" >&2; exit 2; }
[[ $PROFILE != demo || -f $BASE_MODEL/config.json ]] || step "$py" data/demo_model.py --output "$BASE_MODEL"
[[ " $METHODS " == *" difficulty "* && -z $N ]] && METHODS="difficulty ${METHODS/difficulty/}"   # it says how many rows the others take
[[ $METHODS == *\ * ]] || { echo "ablate.sh: METHODS=$METHODS: name two methods or more, there is nothing to compare" >&2; exit 2; }
[[ -n $N || $METHODS == difficulty* ]] || { echo "ablate.sh: N: say how many rows an arm has, or let METHODS hold difficulty" >&2; exit 2; }

mkdir -p "$OUT/comparisons"
arms=() samples=()
for source in $SOURCES; do
    first=""
    for method in $METHODS; do
        name=$(basename "${method/:/-}" .py)
        arm=$OUT/$source.$name
        mkdir -p "$arm"
        how=(--method "$method") only=()
        [[ $method == *.py:* ]] && how=(--scorer "$method")
        [[ $source == all ]] || only=(--source "$source")
        if [[ -n $N ]]; then how+=(--n "$N")
        elif [[ -n $first && $MATCH == tokens ]]; then how+=(--match-tokens "$first" --tokenizer "$BASE_MODEL")
        elif [[ -n $first ]]; then how+=(--match-n "$first"); fi
        step "$py" 02_mix/select_rows.py --input "$INPUT" --output "$arm/selected.jsonl" "${how[@]}" "${only[@]}"
        first=${first:-$arm/selected.jsonl}
        step "$py" 02_mix/mix.py --input "$arm/selected.jsonl" --output "$arm/train.jsonl" --tokenizer "$BASE_MODEL" --max-tokens "$MAX_LENGTH"
        for seed in $SEEDS; do
            run=$arm.s$seed target=$arm.s$seed/model
            $MERGE && target=$run/adapter
            # shellcheck disable=SC2086
            step ${LAUNCH:-$py} 03_sft/sft.py --config "$RECIPE" --model_name_or_path "$BASE_MODEL" --train_file "$arm/train.jsonl" --output_dir "$target" --seed "$seed" $SFT_OPTIONS
            if $MERGE; then step "$py" 03_sft/merge_adapter.py --adapter "$target" --output "$run/model"; fi
            step "$py" 04_eval/run_eval.py --model "$run/model" --name "$source.$name.s$seed" --benchmarks "$BENCHMARKS" ${BENCHMARK_DIR:+--data "$BENCHMARK_DIR"} \
                --output "$run/eval" --max-tokens "$MAX_TOKENS" --tensor-parallel "$TP" --engine "$ENGINE" ${EVAL_LIMIT:+--limit "$EVAL_LIMIT"}
            arms+=("$source.$name.s$seed") samples+=("$run/eval/samples.jsonl")
        done
    done
done

step "$py" 04_eval/score.py --input "${samples[@]}" --output "$OUT/scored.jsonl" --csv "$OUT/scores.csv"
rm -f "$OUT"/comparisons/*
for ((i = 0; i < ${#arms[@]}; i++)); do   # each pair of arms of one source and seed
    for ((j = i + 1; j < ${#arms[@]}; j++)); do
        a=${arms[i]} b=${arms[j]}
        [[ ${a%%.*} == "${b%%.*}" && ${a##*.} == "${b##*.}" ]] || continue
        step "$py" 04_eval/compare.py "$OUT/scored.jsonl:$a" "$OUT/scored.jsonl:$b" --output "$OUT/comparisons/$a--$b.json" >/dev/null
    done
done
step "$py" 02_mix/ablation_table.py --csv "$OUT/scores.csv" --comparisons "$OUT"/comparisons/*.json --output "$OUT/ablation.md"
step "$py" 04_eval/report.py --csv "$OUT/scores.csv" --scored "$OUT/scored.jsonl" --ablation "$OUT/ablation.json" --output "$OUT" --title "Ablation of the selection methods"
