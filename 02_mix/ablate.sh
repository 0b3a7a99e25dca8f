#!/usr/bin/env bash
# Which rows train the better model? Each arm: rows -> mix -> SFT -> evaluation; then one table with intervals and paired tests. Every step is
# skipped where it is finished, so a stopped ablation goes on. DRY_RUN=true prints the commands.
#
#   INPUT=clean.jsonl METHODS="random length" N=40 bash 02_mix/ablate.sh        selection methods at equal rows
#   ARMS="chunks=a.jsonl skeleton=b.jsonl" N=1000 bash 02_mix/ablate.sh                 files of rows against each other
#   RUN_DIR=data/runs/mine ASK="--model M --base-url URL" bash 02_mix/ablate.sh 8       a table of the paper (arXiv 2507.16812)
#
#   table 3   selection: every source by all, difficulty, length, random        table 10  a source before and after decontamination
#   table 8   textbook rows without refinement, worked solutions, decontamination   table 11  hard questions solved anew by a teacher
#   table 9   textbook rows refined by each of REFINERS="M1 M2"
#
# in   rows with id, question, answer, source; RUN_DIR: a finished run, whose stage files the tables start from. ASK: options of the steps
#      that ask a model; empty: rules only, where a step can
# out  OUT/SOURCE.ARM/ (selected, train), OUT/SOURCE.ARM.sSEED/ (model, eval), OUT/scored.jsonl, scores.csv, comparisons/, ablation.json,
#      report.html, viewer.html
#
# PROFILE=demo: 2 CPU cores, about 3 minutes an arm; PROFILE=full: Qwen2.5-7B, a GPU day an arm on 8 GPUs. Without N the method `difficulty`
# runs first and the others take as many rows, as in the paper. SEEDS="1 2 3" trains each arm three times;
# a winner must then win with every seed. The paper has no reference answer appended to a solution: MIX_OPTIONS="" is the default here too.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ ${1:-} == --help || ${1:-} == -h ]] && { sed -n '2,/^set -e/{/^set -e/!p}' "02_mix/ablate.sh" | sed 's/^# \{0,1\}//'; exit; }

TABLE=${1:-${TABLE:-}}
PROFILE=${PROFILE:-demo}
RUN_DIR=${RUN_DIR:-data/runs/demo}
INPUT=${INPUT:-}
ARMS=${ARMS:-}                                 # NAME=FILE of rows, an arm each
METHODS=${METHODS:-"random length"}            # of random, length, difficulty, all; rows chosen by a script of your own are an arm in ARMS
SOURCES=${SOURCES:-all}                        # names of sources, each an ablation of its own; all: the rows of INPUT together
N=${N:-}                                       # rows an arm
SEEDS=${SEEDS:-42}
ASK=${ASK:-}
REFINERS=${REFINERS:-}
MIX_OPTIONS=${MIX_OPTIONS:-}
DRY_RUN=${DRY_RUN:-false}
case $PROFILE in
demo)
    BASE_MODEL=${BASE_MODEL:-data/runs/demo/models/base} RECIPE=${RECIPE:-03_sft/recipes/demo.yaml} MERGE=${MERGE:-true}
    BENCHMARK_DIR=${BENCHMARK_DIR-data/sample/benchmark} MAX_LENGTH=${MAX_LENGTH:-640} MAX_TOKENS=${MAX_TOKENS:-256} ENGINE=${ENGINE:-'{"max_model_len": 2048}'} ;;
full)   # Qwen2.5-7B, full fine-tuning, 4,096 tokens, all benchmarks of the hub
    BASE_MODEL=${BASE_MODEL:-Qwen/Qwen2.5-7B} RECIPE=${RECIPE:-03_sft/recipes/qwen2.5_7b_full.yaml} MERGE=${MERGE:-false}
    BENCHMARK_DIR=${BENCHMARK_DIR-} MAX_LENGTH=${MAX_LENGTH:-4096} MAX_TOKENS=${MAX_TOKENS:-10240} ENGINE=${ENGINE:-'{}'} ;;
*) echo "ablate.sh: PROFILE=$PROFILE is not demo or full" >&2; exit 2 ;;
esac
BENCHMARKS=${BENCHMARKS:-all} EVAL_LIMIT=${EVAL_LIMIT:-} TP=${TP:-1}
SFT_OPTIONS=${SFT_OPTIONS:---eval_rows 0 --stop_test_prompts 0}   # every row of an arm is trained on; the benchmarks are the judge
LAUNCH=${LAUNCH:-}                             # e.g. "accelerate launch --config_file 03_sft/accelerate/fsdp2.yaml --num_processes 8"
py=${VENV:-.venv}/bin/python

fail() { echo "ablate.sh: $*" >&2; exit 2; }
step() { echo "+ $*" >&2; $DRY_RUN || "$@"; }
need() { $DRY_RUN || [[ -f $1 ]] || fail "$1: there is no such file; ${2:-give another INPUT or RUN_DIR}"; }

# ---- the rows of the paper's tables, made from the stage files of a run ----
E1=$RUN_DIR/01_extract E2=$RUN_DIR/02_mix
asked=($ASK) judge=($ASK) reference=($ASK)   # words of ASK, hence no quotes
[[ -n $ASK ]] || { judge=(--no-judge) reference=(--no-model); }
finish_rows() {   # the last steps of stage 1, from a file of pairs on: finish_rows FILE FOLDER [decontaminate]
    mkdir -p "$2"
    step "$py" 01_extract/filter_qa.py --input "$1" --output "$2/filtered.jsonl" "${judge[@]}"
    local last=$2/filtered.jsonl
    if [[ ${3:-} == decontaminate ]]; then
        step "$py" 01_extract/decontaminate.py --input "$last" --output "$2/clean.jsonl" --field question --benchmarks ${BENCHMARK_DIR:-data/sample/benchmark} "${judge[@]}"
        last=$2/clean.jsonl
    fi
    step "$py" 01_extract/extract_reference.py --input "$last" --output "$2/rows.jsonl" "${reference[@]}"
}
OUT=${OUT:-$(dirname "${INPUT:-$E2/x}")/ablation${TABLE:+_table$TABLE}}
case $TABLE in
"") ;;
3)
    INPUT=${INPUT:-$E2/clean.jsonl}; need "$INPUT"
    [[ -n $ASK ]] || fail "table 3 samples answers for the difficulty: give ASK=\"--model M --base-url URL\""
    step "$py" 02_mix/score_difficulty.py --input "$INPUT" --output "$OUT/difficulty.jsonl" "${asked[@]}" ${JUDGE_MODEL:+--judge-model "$JUDGE_MODEL"}
    step "$py" 02_mix/annotate.py --input "$OUT/difficulty.jsonl" --output "$OUT/lengths.jsonl" --field annotator_response "${asked[@]}"
    INPUT=$OUT/lengths.jsonl METHODS="difficulty all length random" ;;
8)
    need "$E1/textbook_qa.jsonl"
    finish_rows "$E1/dedup.jsonl" "$OUT/no_refinement" decontaminate
    finish_rows "$E1/refined.jsonl" "$OUT/no_cot" decontaminate
    finish_rows "$E1/cot.jsonl" "$OUT/no_decontamination"
    ARMS="full=$E1/textbook_qa.jsonl"
    for arm in no_decontamination no_cot no_refinement; do ARMS+=" $arm=$OUT/$arm/rows.jsonl"; done ;;
9)
    need "$E1/dedup.jsonl"
    [[ $REFINERS == *\ * && -n $ASK ]] || fail "table 9: name two models, REFINERS=\"M1 M2\", and ASK=\"--model JUDGE --base-url URL\""
    for refiner in $REFINERS; do
        name=$(basename "$refiner" | tr ./ --) folder=$OUT/refined_by_$(basename "$refiner" | tr ./ --)
        mkdir -p "$folder"
        step "$py" 01_extract/refine_qa.py --input "$E1/dedup.jsonl" --chunks "$E1/chunks.jsonl" --output "$folder/refined.jsonl" "${asked[@]}" --model "$refiner"
        finish_rows "$folder/refined.jsonl" "$folder" decontaminate
        ARMS+=" $name=$folder/rows.jsonl"
    done ;;
10)
    need "$E2/dedup.jsonl"; need "$E2/clean.jsonl"
    ARMS="before=$E2/dedup.jsonl after=$E2/clean.jsonl" ;;
11)
    INPUT=${INPUT:-$E2/difficulty.jsonl}; need "$INPUT" "score_difficulty.py makes it"
    [[ -n $ASK ]] || fail "table 11 has hard questions solved anew: give ASK=\"--model M --base-url URL\""
    mkdir -p "$OUT"
    step "$py" 02_mix/select_rows.py --input "$INPUT" --output "$OUT/hard.jsonl" --method difficulty --keep 0 6
    step "$py" 02_mix/annotate.py --input "$OUT/hard.jsonl" --output "$OUT/solved.jsonl" "${asked[@]}"
    step "$py" 02_mix/select_rows.py --input "$INPUT" --output "$OUT/easy.jsonl" --method difficulty --keep 6.0001 10
    $DRY_RUN || cat "$OUT/solved.jsonl" "$OUT/easy.jsonl" >"$OUT/distilled.jsonl"
    ARMS="refinement=$INPUT distillation=$OUT/distilled.jsonl" ;;
*) fail "table $TABLE is none of 3, 8, 9, 10, 11" ;;
esac

# ---- what stands against what ----
names=()
if [[ -n $ARMS ]]; then
    for arm in $ARMS; do names+=("${arm%%=*}"); done
else
    [[ -n $INPUT ]] || fail "INPUT: name the rows to select from, ARMS, or a table"
    need "$INPUT"
    [[ " $METHODS " == *" difficulty "* && -z $N ]] && METHODS="difficulty ${METHODS/difficulty/}"   # it says how many rows the others take
    read -ra names <<<"$METHODS"
    [[ -n $N || $METHODS == difficulty* ]] || fail "N: say how many rows an arm has, or let METHODS hold difficulty"
fi
((${#names[@]} > 1)) || fail "${names[*]}: name two methods or arms, there is nothing to compare"
[[ $PROFILE != demo || -f $BASE_MODEL/config.json ]] || step "$py" data/demo_model.py --output "$BASE_MODEL"

select_arm() {   # select_arm SOURCE NAME FOLDER: FOLDER/selected.jsonl
    local how=() rows=$INPUT only=() arm
    if [[ -n $ARMS ]]; then
        for arm in $ARMS; do [[ ${arm%%=*} == "$2" ]] && rows=${arm#*=}; done
        need "$rows"
        how=(--method "${N:+random}")
        [[ -n $N ]] || how=(--method all)
    else how=(--method "$2"); fi
    [[ $1 == all ]] || only=(--source "$1")
    if [[ -n $N ]]; then how+=(--n "$N")
    elif [[ -n $first && -z $ARMS && $2 != all ]]; then how+=(--n "$($DRY_RUN && echo "ROWS_OF_$first" || wc -l <"$first")"); fi
    step "$py" 02_mix/select_rows.py --input "$rows" --output "$3/selected.jsonl" "${how[@]}" "${only[@]}"
}

$DRY_RUN || mkdir -p "$OUT/comparisons"
models=() samples=()
for source in $SOURCES; do
    first=""
    for name in "${names[@]}"; do
        arm=$OUT/$source.$name
        select_arm "$source" "$name" "$arm"
        first=${first:-$arm/selected.jsonl}
        # shellcheck disable=SC2086
        step "$py" 02_mix/mix.py --input "$arm/selected.jsonl" --output "$arm/train.jsonl" --tokenizer "$BASE_MODEL" --max-tokens "$MAX_LENGTH" $MIX_OPTIONS
        for seed in $SEEDS; do
            run=$arm.s$seed target=$arm.s$seed/model
            $MERGE && target=$run/adapter
            # shellcheck disable=SC2086
            step ${LAUNCH:-$py} 03_sft/sft.py --config "$RECIPE" --model_name_or_path "$BASE_MODEL" --train_file "$arm/train.jsonl" --output_dir "$target" --seed "$seed" $SFT_OPTIONS
            if $MERGE; then step "$py" 03_sft/merge_adapter.py --adapter "$target" --output "$run/model"; fi
            step "$py" 04_eval/run_eval.py --model "$run/model" --name "$source.$name.s$seed" --benchmarks "$BENCHMARKS" ${BENCHMARK_DIR:+--data "$BENCHMARK_DIR"} \
                --output "$run/eval" --max-tokens "$MAX_TOKENS" --tensor-parallel "$TP" --engine "$ENGINE" ${EVAL_LIMIT:+--limit "$EVAL_LIMIT"}
            models+=("$source.$name.s$seed") samples+=("$run/eval/samples.jsonl")
        done
    done
done

step "$py" 04_eval/score.py --input "${samples[@]}" --output "$OUT/scored.jsonl" --csv "$OUT/scores.csv"
$DRY_RUN || rm -f "$OUT"/comparisons/*
pairs=()
for ((i = 0; i < ${#models[@]}; i++)); do   # each pair of arms of one source and seed
    for ((j = i + 1; j < ${#models[@]}; j++)); do
        a=${models[i]} b=${models[j]}
        [[ ${a%%.*} == "${b%%.*}" && ${a##*.} == "${b##*.}" ]] || continue
        step "$py" 04_eval/compare.py "$OUT/scored.jsonl:$a" "$OUT/scored.jsonl:$b" --output "$OUT/comparisons/$a--$b.json" >/dev/null
        pairs+=("$OUT/comparisons/$a--$b.json")
    done
done
step "$py" 02_mix/ablation_table.py --csv "$OUT/scores.csv" --comparisons "${pairs[@]}" --output "$OUT/ablation.json"
step "$py" 04_eval/report.py --scored "$OUT/scored.jsonl" --ablation "$OUT/ablation.json" --output "$OUT" --title "Ablation${TABLE:+, table $TABLE}"
