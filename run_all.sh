#!/usr/bin/env bash
# From textbooks to a results table: 01_extract -> 02_mix -> 03_sft -> 04_eval. Each line below is a command you can also run by itself.
#
#   bash run_all.sh                                     the demo on a CPU; with one GPU the profile is lora, with several full
#   STAGE=3 STOP=4 bash run_all.sh                      only stages 3 and 4
#   INPUT=my_books BENCHMARK_DIR=my_tests bash run_all.sh
#   bash run_all.sh --dry-run | --fresh                 print every command | start over (deletes data/runs/$RUN, saying what)
#   bash run_all.sh --status                            where the run stands: each step done, running or not started, with rows and time
#   bash run_all.sh --estimate                          rows, tokens, GPU hours, disk and money of each step, before anything is paid
#   BUDGET=50 PRICE_PER_GPU_HOUR=2 bash run_all.sh      stops (exit code 4) when so much is spent; a larger BUDGET goes on
#
# PROFILE  hardware                          models                                              time
# demo     2 CPU cores, 8 GB, no hub         SmolLM2-135M-Instruct teaches and learns            about 8 minutes; without bf16 instructions 15
# lora     1 GPU from 16 GB (QLoRA < 24 GB)  Qwen3-8B teaches, Qwen3-4B-Base learns by LoRA      hours; set by LIMIT and SOURCE_LIMIT
# full     8 GPUs of 80 GB                   the paper's teachers, Qwen3-8B-Base, full SFT       days; the paper's recipe
# Without textbooks start at stage 2 from hub data: PROFILE=lora STAGE=2 bash run_all.sh
#
# Running it again is safe: finished files are skipped, what depends on a change is made again, a crash costs only the row it was at.
# Everything is written below data/runs/$RUN. HF_TOKEN, HF_HOME, proxies, CUDA_VISIBLE_DEVICES and a .env file are honoured.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

DRY_RUN=false FRESH=false ESTIMATE=false STATUS=false
for option in "$@"; do
    case $option in
    --dry-run) DRY_RUN=true ;;
    --fresh) FRESH=true ;;
    --estimate) ESTIMATE=true ;;
    --status) STATUS=true ;;
    --help | -h) sed -n '2,/^set -e/{/^set -e/!p}' "$0" | sed 's/^# \{0,1\}//'; exit ;;
    *) echo "run_all.sh: unknown option $option (there are --dry-run, --estimate, --fresh, --status and --help; settings are variables, see --help)" >&2; exit 2 ;;
    esac
done
if [[ -f .env ]]; then   # KEY=value lines; what is set already wins
    while IFS='=' read -r key value; do
        [[ $key =~ ^[A-Za-z_][A-Za-z0-9_]*$ && -z ${!key+set} ]] && export "$key=${value//[\"\']/}"
    done <.env || true
fi

# ---- settings: each can be set in the environment ----
gpus() { if [[ -n ${CUDA_VISIBLE_DEVICES+set} ]]; then tr ',' '\n' <<<"$CUDA_VISIBLE_DEVICES" | grep -cE '^[0-9A-Za-z]' || true
         else { nvidia-smi -L 2>/dev/null || true; } | grep -c GPU || true; fi; }
gpu_gib() { nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2>/dev/null | sort -n | awk 'NR==1 {print int($1/1024)}' || true; }
GPUS=${GPUS:-$(gpus)}
PROFILE=${PROFILE:-$([[ $GPUS == 0 ]] && echo demo || { [[ $GPUS == 1 ]] && echo lora || echo full; })}
STAGE=${STAGE:-1}                              # first stage to run, 1 to 4
STOP=${STOP:-4}                                # last stage to run
RUN=${RUN:-$PROFILE}                           # name of this run
RUNS_DIR=${RUNS_DIR:-data/runs}
OUT=$RUNS_DIR/$RUN
INPUT=${INPUT:-data/sample/textbooks}          # folder of .pdf, .md, .txt, .jsonl
METADATA=${METADATA:-}                        # table of the books (.csv): file, title, authors, url, isbn, license, restricted
ALLOW_LICENSES=${ALLOW_LICENSES:-}            # rows under other licences are left out, e.g. cc-by-4.0,cc0-1.0
OCR=${OCR:-} OCR_PAGES=${OCR_PAGES:-}         # auto | olmocr | tesseract | none; scans | formulas | all (digitize_pdfs.py)
OLMOCR_URL=${OLMOCR_URL:-} OLMOCR_MODEL=${OLMOCR_MODEL:-allenai/olmOCR-2-7B-1025-FP8}   # where `vllm serve $OLMOCR_MODEL` answers
MEASURE=${MEASURE:-} MEASURE_SAMPLE=${MEASURE_SAMPLE:-300}   # judge and solver model: measures so many textbook rows, for the card
MARKS=${MARKS:-}                               # CSV files that people saved from spot_check.html, for the card
SEED=${SEED:-42}
LIMIT=${LIMIT:-}                               # at most so many chunks in stage 1, and questions per benchmark in stage 4
THINKING=${THINKING-}                          # on | off, for teachers that can be told (Qwen3)
LLM_BASE_URL=${LLM_BASE_URL:-}                 # an endpoint of your own (several: a,b) instead of a teacher server started here
DETERMINISTIC=${DETERMINISTIC:-}               # 1: answers that do not depend on the batch, where vLLM's kernels can (slower)
LAUNCH=${LAUNCH:-}                             # what starts sft.py in the place of python or accelerate: "srun torchrun ..."
BACKEND=${BACKEND:-vllm}                       # of stage 4: vllm, or transformers where vLLM cannot run
HUB_ID=${HUB_ID:-}                             # OWNER/NAME: push the tuned model and its card there
ALLOW_OTHER_ROWS=${ALLOW_OTHER_ROWS:-}         # 1: go on where a hub set has another number of rows than the tables say
other_rows=${ALLOW_OTHER_ROWS:+--allow-other-rows}
case $PROFILE in
demo)
    TEACHER_MODEL=${TEACHER_MODEL:-$OUT/models/base} BASE_MODEL=${BASE_MODEL:-$OUT/models/base}
    BENCHMARK_DIR=${BENCHMARK_DIR:-data/sample/benchmark} SOURCES=${SOURCES:-sample=data/sample/train.jsonl}
    MIX_RECIPE=${MIX_RECIPE:-02_mix/recipes/demo.yaml} RECIPE=${RECIPE:-03_sft/recipes/demo.yaml}
    CHUNK_TOKENS=${CHUNK_TOKENS:-450} CHUNKS=${LIMIT:-14} MAX_LENGTH=${MAX_LENGTH:-640} MAX_TOKENS=${MAX_TOKENS:-256}
    ENGINE=${ENGINE:-'{"max_model_len": 2048}'}
    NOTE="Demo run. A model of 135 million parameters learns the form of an answer from a few hundred rows, and no science: look at the unparsed column, \
which falls, and not at the accuracy, which stays near chance on multiple choice. What the teacher wrote in stage 1 shows the machinery, not the quality of a real teacher." ;;
lora)   # below 23 GB an AWQ teacher: 6 GB of weights, where 16.4 GB of bf16 would not start
    memory=$(gpu_gib) awq="" method=lora
    if [[ ${memory:-80} -lt 23 ]]; then awq=-AWQ method=qlora; fi
    TEACHER_MODEL=${TEACHER_MODEL:-Qwen/Qwen3-8B$awq} BASE_MODEL=${BASE_MODEL:-Qwen/Qwen3-4B-Base}
    THINKING=${THINKING:-off} RECIPE=${RECIPE:-03_sft/recipes/qwen3_4b_${method}_16gb.yaml}
    SOURCES=${SOURCES:-textbook_reasoning,natural_reasoning} SOURCE_LIMIT=${SOURCE_LIMIT:-20000}
    EVAL_LIMIT=${EVAL_LIMIT:-${LIMIT:-500}} MAX_TOKENS=${MAX_TOKENS:-4096} ENGINE=${ENGINE:-'{"max_model_len": 16384}'} ;;
full)
    TEACHER_MODEL=${TEACHER_MODEL:-meta-llama/Llama-3.3-70B-Instruct} BASE_MODEL=${BASE_MODEL:-Qwen/Qwen3-8B-Base}
    SAMPLER_MODEL=${SAMPLER_MODEL:-Qwen/Qwen2.5-7B-Instruct} JUDGE_MODEL=${JUDGE_MODEL:-Qwen/Qwen2.5-32B-Instruct}
    MIX_RECIPE=${MIX_RECIPE:-02_mix/recipes/megascience.yaml} RECIPE=${RECIPE:-03_sft/recipes/qwen3_8b_full.yaml}
    TEXTBOOK_NAME=textbook_reasoning   # rows made here take the place of the hub's
    TEACHER_TP=${TEACHER_TP:-4} MAX_TOKENS=${MAX_TOKENS:-10240} ENGINE=${ENGINE:-'{}'} ;;
*) echo "run_all.sh: PROFILE=$PROFILE is not demo, lora or full" >&2; exit 2 ;;
esac
BENCHMARK_DIR=${BENCHMARK_DIR:-} BENCHMARKS=${BENCHMARKS:-all} EVAL_LIMIT=${EVAL_LIMIT:-$LIMIT}   # without a folder: from the hub
SOURCES=${SOURCES:-} SOURCE_LIMIT=${SOURCE_LIMIT:-} MIX_RECIPE=${MIX_RECIPE:-} TEXTBOOK_NAME=${TEXTBOOK_NAME:-textbook}
CHUNK_TOKENS=${CHUNK_TOKENS:-4096} CHUNKS=${CHUNKS:-$LIMIT} MAX_LENGTH=${MAX_LENGTH:-4096}         # tokens of a chunk, chunks, tokens of a training row
# JSON of vLLM's arguments for the teacher's server, e.g. {"max_model_len": 16384, "quantization": "fp8", "gpu_memory_utilization": 0.8}; ENGINE is that of
# the evaluation. A model's own 40,960 tokens of cache do not fit beside 16 GB of weights on 24 GB.
if [[ $GPUS == 0 ]]; then   # without bf16 instructions a processor is a hundred times slower in bf16 than in float32
    cpu_dtype=$(grep -qE 'avx512_bf16|amx_bf16' /proc/cpuinfo && echo auto || echo float32)
    TEACHER_ENGINE=${TEACHER_ENGINE:-"{\"max_model_len\": 4096, \"enforce_eager\": true, \"dtype\": \"$cpu_dtype\"}"}
elif [[ $PROFILE == full ]]; then TEACHER_ENGINE=${TEACHER_ENGINE:-'{"max_model_len": 32768}'}
else TEACHER_ENGINE=${TEACHER_ENGINE:-'{"max_model_len": 16384}'}; fi
TP=${TP:-1} TEACHER_TP=${TEACHER_TP:-${TP:-1}}   # GPUs an engine: of the models in training, of the teachers
REFINE_MODEL=${REFINE_MODEL:-$TEACHER_MODEL}   # the paper refines and annotates with deepseek-ai/DeepSeek-V3: needs 8 GPUs of 141 GB, or an endpoint
PORT=${PORT:-8765}

# ---- how a step runs ----
py=${VENV:-.venv}/bin/python
TEACHER_PID="" SERVED="" STEP_PID=""
bold="" plain=""
if [[ -t 2 && -z ${NO_COLOR:-} ]]; then bold=$'\033[1m' plain=$'\033[0m'; fi
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain" >&2; }
step() {   # run a command: what it prints stands in logs/SCRIPT.log, and on the console without what no user can act on
    if $DRY_RUN; then
        echo "+ $(printf '%q ' "$@" | sed "s|^$py|python|")" >&2
        return
    fi
    if [[ -n $BUDGET_OF_RUN ]]; then
        BUDGET=$(BUDGET=$BUDGET_OF_RUN "$py" data/estimate_cost.py --left "$OUT") || exit 4
        export BUDGET
    fi
    local status=0 began=$SECONDS script
    for script in "$@"; do [[ $script == *.py ]] && break; done
    "$py" data/console.py --log "$OUT/logs/$(basename "$script" .py).log" "$@" &   # waited for, so that a signal is heard at once
    STEP_PID=$!
    wait "$STEP_PID" || status=$?
    STEP_PID=""
    printf '%s\t%s\n' $((SECONDS - began)) "$script" >>"$OUT/seconds.tsv"   # counts towards BUDGET
    return $status
}
engine_options() {   # {"max_model_len": 4096, "enforce_eager": true} -> --max-model-len 4096 --enforce-eager, one a line
    "$py" -c 'import json, sys
for name, value in json.loads(sys.argv[1]).items():
    option = name.replace("_", "-")
    text = value if isinstance(value, str) else json.dumps(value)
    print("--" + option if value is True else "--no-" + option if value is False else f"--{option}\n{text}")' "$1"
}
stop_teacher() {
    [[ -n $TEACHER_PID ]] || return 0
    kill -TERM -- "-$TEACHER_PID" 2>/dev/null || true
    for _ in {1..40}; do kill -0 "$TEACHER_PID" 2>/dev/null || break; sleep 0.5; done
    kill -KILL -- "-$TEACHER_PID" 2>/dev/null || true
    TEACHER_PID="" SERVED=""
}
trap stop_teacher EXIT
stop() {   # the step ends as by Ctrl-C, whoever got the signal: finished work is kept
    trap '' INT TERM
    if [[ -n $STEP_PID ]]; then
        kill -TERM "$STEP_PID" 2>/dev/null || true
        wait "$STEP_PID" || true
    fi
    exit "$1"
}
trap 'stop 130' INT
trap 'stop 143' TERM
start_teacher() {   # one vLLM server for stages 1 and 2: an engine start costs a minute or more
    stop_teacher
    local engines=$((GPUS / TEACHER_TP)) options log=$OUT/teacher.log
    options=$(engine_options "$TEACHER_ENGINE") || { echo "run_all.sh: TEACHER_ENGINE=$TEACHER_ENGINE is not JSON" >&2; exit 2; }
    mapfile -t options <<<"$options"
    [[ -n ${options[0]} ]] || options=()
    [[ $GPUS == 0 ]] || options+=(--tensor-parallel-size "$TEACHER_TP" --data-parallel-size "$((engines > 0 ? engines : 1))")
    say "starting a vLLM server for $1 (its log: $log)"
    set -m   # a process group of its own, so that all its workers can be stopped
    "$py" -m vllm.entrypoints.openai.api_server --model "$1" --port "$PORT" --host 127.0.0.1 "${options[@]}" >"$log" 2>&1 9>&- &
    TEACHER_PID=$! SERVED=$1
    (   # should this shell be killed outright, the server ends too
        while kill -0 $$ 2>/dev/null; do sleep 2; done
        kill -TERM -- "-$TEACHER_PID" 2>/dev/null
    ) >/dev/null 2>&1 9>&- &
    set +m
    local waited=0
    until curl -sf -m 5 --noproxy '*' "http://127.0.0.1:$PORT/health" >/dev/null; do
        kill -0 "$TEACHER_PID" 2>/dev/null || { tail -n 25 "$log" >&2; echo "run_all.sh: the server for $1 ended; the end of $log stands above" >&2; exit 1; }
        sleep 2
        waited=$((waited + 2))
        ((waited % 60)) || echo "  waiting for the server since $waited s" >&2
    done
}
ask() {   # ask MODEL COMMAND...: a step that may need a model; the server is started only when a step really asks (exit code 3)
    local model=$1 status=0 url=${LLM_BASE_URL:-http://127.0.0.1:$PORT/v1}
    shift
    if [[ -z $LLM_BASE_URL && -n $SERVED && $SERVED != "$model" ]]; then stop_teacher; fi
    set -- "$@" --model "$model" --base-url "$url" ${THINKING:+--thinking "$THINKING"}
    SERVER_COMES=$([[ -n $LLM_BASE_URL ]] || echo 1) step "$@" || status=$?
    if [[ $status == 3 && -z $LLM_BASE_URL ]]; then
        start_teacher "$model"
        status=0
        step "$@" || status=$?
    fi
    return $status
}
estimate() {   # what is not known before the start is stated as assumed in the table
    local chunks=${CHUNKS:-0} characters
    if ((chunks == 0)); then   # four characters a token, a page of PDF as 3,000
        characters=$(find "$INPUT" -type f ! -name '*.pdf' -print0 | xargs -0 -r cat | wc -c)
        chunks=$(((characters / 4 + $(find "$INPUT" -name '*.pdf' | wc -l) * 300 * 750) / CHUNK_TOKENS + 1))
    fi
    local sources=(${SOURCES//,/ }) questions=$((${EVAL_LIMIT:-4500} * 15)) rows=${SOURCE_LIMIT:-609700}
    rows=$((rows * (${#sources[@]} > 0 && ${#SOURCE_LIMIT} > 0 ? ${#sources[@]} : 1)))
    if [[ $PROFILE == demo ]]; then rows=$(wc -l <data/sample/train.jsonl) questions=$(cat data/sample/benchmark/*.jsonl | wc -l); fi
    LLM_BASE_URL=$LLM_BASE_URL GPUS=$GPUS "$py" data/estimate_cost.py --profile "$PROFILE" --chunks "$chunks" --source-rows "$rows" \
        --eval-rows "$questions" --teacher "$TEACHER_MODEL" --base "$BASE_MODEL" --stage "$STAGE" --stop "$STOP" --run "$OUT" \
        --card "$(nvidia-smi --query-gpu=name --format=csv,noheader 2>/dev/null | head -n 1)"
}
stage() { ((STAGE <= $1 && $1 <= STOP)); }
minutes() { [[ $PROFILE != demo ]] || echo " (about $1 on two cores)"; }   # as seen on 29 November 2026, with bf16 instructions

BUDGET_OF_RUN=${BUDGET:-}
export GPUS
if $STATUS; then
    [[ -x $py ]] || { echo "run_all.sh: nothing has run here yet: there is no $py" >&2; exit 2; }
    bash run_all.sh --dry-run 2>&1 | "$py" data/run_status.py "$OUT"
    exit
fi
if $ESTIMATE; then [[ -x $py ]] || bash setup.sh >&2; estimate; exit; fi
if ! $DRY_RUN; then
    mkdir -p "$OUT"
    exec 9>>"$OUT/.lock"   # held by this shell and its steps, by the teacher's server not
    if ! flock -n 9; then
        echo "run_all.sh: another run is writing $OUT ($(tail -n 1 "$OUT/.lock")); wait for it or stop it" >&2
        exit 2
    fi
    echo "process $$, since $(date +%FT%T)" >"$OUT/.lock"
    bash setup.sh
    if $FRESH && [[ -d $OUT ]]; then
        say "--fresh: deleting $OUT ($(find "$OUT" -type f | wc -l) files)"
        find "$OUT" -mindepth 1 -maxdepth 1 ! -name models ! -name .lock -exec rm -rf {} +
    fi
fi
[[ -z $DETERMINISTIC ]] || export VLLM_BATCH_INVARIANT=1
export PYTHONWARNINGS=${PYTHONWARNINGS:-ignore::FutureWarning,ignore::DeprecationWarning,ignore::UserWarning:multiprocessing.resource_tracker} VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1 VLLM_LOGGING_LEVEL=${VLLM_LOGGING_LEVEL:-WARNING} TOKENIZERS_PARALLELISM=false
cache=$(realpath -m "$OUT/cache")
export MPLCONFIGDIR=$cache/matplotlib VLLM_CACHE_ROOT=$cache/vllm   # nothing is written outside the run's folder
if [[ $GPUS == 0 ]]; then
    export CUDA_VISIBLE_DEVICES="" VLLM_CPU_KVCACHE_SPACE=${VLLM_CPU_KVCACHE_SPACE:-2} VLLM_CPU_OMP_THREADS_BIND=${VLLM_CPU_OMP_THREADS_BIND:-0-$(($(nproc) - 1))}
fi
say "profile $PROFILE, run $RUN, stages $STAGE to $STOP, $GPUS GPU(s); results go to $OUT"
if [[ $PROFILE == demo && ! -f $OUT/models/base/config.json ]] && [[ $BASE_MODEL == "$OUT/models/base" || $TEACHER_MODEL == "$OUT/models/base" ]]; then
    step "$py" data/demo_model.py --output "$OUT/models/base"
fi

if [[ -z $BENCHMARK_DIR ]]; then   # decontamination and evaluation read the same files
    BENCHMARK_DIR=$OUT/benchmarks
    step "$py" 04_eval/benchmarks.py --download "$BENCHMARK_DIR" $other_rows
fi

# ---- 1. textbooks -> question-answer pairs ----
E1=$OUT/01_extract
if stage 1; then
    say "stage 1: $INPUT -> textbook questions and answers$(minutes "2 minutes")"
    mode=(--mode document --max-tokens 8192) refine=() judge=() no_judge=() filter=() classify=() no_reference=()
    if [[ $PROFILE == demo ]]; then
        # a 135M model follows a JSON schema, not long instructions, and its judgements carry no information (it always says YES): rules
        # judge; without a penalty most of its answers loop to the limit
        again=(--sampling '{"repetition_penalty": 1.15}')
        mode=(--mode paragraph --worked --require-grounded --max-tokens 1536 "${again[@]}")
        refine=(--mode json --keep-worked --max-tokens 768 "${again[@]}")
        judge=(--judge rules --keep-worked --max-tokens 512 "${again[@]}")
        no_judge=(--no-judge) filter=(--no-judge --require-grounded) classify=(--level-from-model off) no_reference=(--no-model)
    fi
    ocr=(${OCR:+--ocr "$OCR"} ${OCR_PAGES:+--ocr-pages "$OCR_PAGES"} ${OLMOCR_URL:+--base-url "$OLMOCR_URL" --model "$OLMOCR_MODEL"})
    step "$py" 01_extract/digitize_pdfs.py --input "$INPUT" --output "$E1/documents.jsonl" ${METADATA:+--metadata "$METADATA"} "${ocr[@]}"
    ask "$TEACHER_MODEL" "$py" 01_extract/classify_documents.py --input "$E1/documents.jsonl" --output "$E1/classified.jsonl" "${classify[@]}"
    step "$py" 01_extract/chunk_documents.py --input "$E1/classified.jsonl" --output "$E1/chunks.jsonl" --tokenizer "${TOKENIZER:-$TEACHER_MODEL}" --max-tokens "$CHUNK_TOKENS" ${CHUNKS:+--sample "$CHUNKS"}
    ask "$TEACHER_MODEL" "$py" 01_extract/extract_qa.py --input "$E1/chunks.jsonl" --output "$E1/qa.jsonl" "${mode[@]}"
    step "$py" 01_extract/dedup.py --input "$E1/qa.jsonl" --output "$E1/dedup.jsonl" --field question --threshold 0.6
    ask "$REFINE_MODEL" "$py" 01_extract/refine_qa.py --input "$E1/dedup.jsonl" --chunks "$E1/chunks.jsonl" --output "$E1/refined.jsonl" "${refine[@]}"
    ask "$REFINE_MODEL" "$py" 01_extract/add_cot.py --input "$E1/refined.jsonl" --chunks "$E1/chunks.jsonl" --output "$E1/cot.jsonl" "${judge[@]}"
    ask "$TEACHER_MODEL" "$py" 01_extract/filter_qa.py --input "$E1/cot.jsonl" --output "$E1/filtered.jsonl" "${filter[@]}"
    ask "$TEACHER_MODEL" "$py" 01_extract/decontaminate.py --input "$E1/filtered.jsonl" --output "$E1/clean.jsonl" --field question --benchmarks "$BENCHMARK_DIR" --cache "$cache/vectors" "${no_judge[@]}"
    ask "$TEACHER_MODEL" "$py" 01_extract/extract_reference.py --input "$E1/clean.jsonl" --output "$E1/reference.jsonl" "${no_reference[@]}"
    final=$E1/reference.jsonl
    if [[ -n $MEASURE ]]; then
        ask "$MEASURE" "$py" 01_extract/measure_qa.py --input "$final" --output "$E1/measured.jsonl" --sample "$MEASURE_SAMPLE"
        final=$E1/measured.jsonl
    fi
    step "$py" 01_extract/finalize.py --input "$final" --output "$E1/textbook_qa.jsonl" ${ALLOW_LICENSES:+--allow-licenses "$ALLOW_LICENSES"} ${MARKS:+--marks $MARKS}
fi

# ---- 2. textbook rows and public sets -> training rows ----
E2=$OUT/02_mix
recipe=(${MIX_RECIPE:+--recipe "$MIX_RECIPE"})
if stage 2; then
    say "stage 2: sources -> training mixture$(minutes "half a minute")"
    sources=(${SOURCES//,/ })
    if $DRY_RUN || [[ -s $E1/textbook_qa.jsonl ]]; then sources=("$TEXTBOOK_NAME=$E1/textbook_qa.jsonl" "${sources[@]}"); fi
    [[ $PROFILE == full ]] && sources+=("${recipe[@]}")
    step "$py" 02_mix/load_sources.py --sources "${sources[@]}" --output "$E2/sources.jsonl" ${ALLOW_LICENSES:+--allow-licenses "$ALLOW_LICENSES"} \
        ${SOURCE_LIMIT:+--limit "$SOURCE_LIMIT"} $other_rows
    step "$py" 01_extract/dedup.py --input "$E2/sources.jsonl" --output "$E2/dedup.jsonl" --field question --threshold 0.6
    decontaminate=("$py" 01_extract/decontaminate.py --input "$E2/dedup.jsonl" --output "$E2/clean.jsonl" --field question --benchmarks "$BENCHMARK_DIR" --cache "$cache/vectors")
    if [[ $PROFILE == full ]]; then   # judge, difficulty and new solutions as in the paper, where the recipe says so
        ask "$TEACHER_MODEL" "${decontaminate[@]}"
        stop_teacher
        step "$py" 02_mix/score_difficulty.py --input "$E2/clean.jsonl" --output "$E2/difficulty.jsonl" --model "$SAMPLER_MODEL" --judge-model "$JUDGE_MODEL" "${recipe[@]}" \
            ${LLM_BASE_URL:+--base-url "$LLM_BASE_URL"}
        step "$py" 02_mix/select_rows.py --input "$E2/difficulty.jsonl" --output "$E2/selected.jsonl" --seed "$SEED" "${recipe[@]}"
        ask "$REFINE_MODEL" "$py" 02_mix/annotate.py --input "$E2/selected.jsonl" --output "$E2/annotated.jsonl" "${recipe[@]}"
        mixed=$E2/annotated.jsonl
    else
        step "${decontaminate[@]}" --no-judge
        step "$py" 02_mix/select_rows.py --input "$E2/clean.jsonl" --output "$E2/selected.jsonl" --method "${SELECT:-all}" ${SELECT_N:+--n "$SELECT_N"} --seed "$SEED"
        mixed=$E2/selected.jsonl
    fi
    step "$py" 02_mix/mix.py --input "$mixed" "${recipe[@]}" --tokenizer "$BASE_MODEL" --max-tokens "$MAX_LENGTH" --output "$E2/train.jsonl" --seed "$SEED" \
        --append-reference
fi

# ---- 4, first half: where the teacher is the base model, its server answers the benchmarks for it (an engine start less) ----
E4=$OUT/04_eval
evaluation=("$py" 04_eval/run_eval.py --benchmarks "$BENCHMARKS" --data "$BENCHMARK_DIR" --max-tokens "$MAX_TOKENS" --seed "$SEED" ${EVAL_LIMIT:+--limit "$EVAL_LIMIT"})
base_answered=false
if stage 4 && [[ $TEACHER_MODEL == "$BASE_MODEL" && -z $LLM_BASE_URL && $BACKEND == vllm && -z $DETERMINISTIC ]]; then
    say "stage 4, first the base model, whose server is up$(minutes "a minute")"
    ask "$BASE_MODEL" "${evaluation[@]}" --name base --output "$E4/base"
    base_answered=true
fi
stop_teacher   # its memory is needed from here on

# ---- 3. fine-tuning ----
E3=$OUT/03_sft
if stage 3; then
    say "stage 3: $BASE_MODEL learns $E2/train.jsonl by $RECIPE$(minutes "3 minutes")"
    launch=("$py") sharing=ddp   # an adapter is small: each GPU holds the whole model
    [[ $PROFILE == full ]] && sharing=fsdp2
    if ((GPUS > 1)); then launch=("${py%python}accelerate" launch --config_file "${ACCELERATE:-03_sft/accelerate/$sharing.yaml}" --num_processes "$GPUS"); fi
    if [[ $GPUS == 0 ]]; then launch=(env MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=8000000000 "$py"); fi   # memory stays between steps: a seventh faster
    [[ -n $LAUNCH ]] && launch=($LAUNCH)
    target=$E3/model
    [[ $PROFILE == full ]] || target=$E3/adapter
    step "${launch[@]}" 03_sft/sft.py --config "$RECIPE" --model_name_or_path "$BASE_MODEL" --train_file "$E2/train.jsonl" --output_dir "$target" --seed "$SEED"
    [[ $PROFILE == full ]] || step "$py" 03_sft/merge_adapter.py --adapter "$E3/adapter" --output "$E3/model"
fi

# ---- 4. evaluation of the base and the tuned model ----
if stage 4; then
    say "stage 4: base and tuned model on the benchmarks of $BENCHMARK_DIR$(minutes "a minute")"
    in_process=(--tensor-parallel "$TP" --engine "$ENGINE" ${DETERMINISTIC:+--deterministic} --backend "$BACKEND")
    # on a CPU one process in the place of vLLM's three: an engine starts in half the time, since each imports torch and vLLM
    [[ $GPUS != 0 ]] || export VLLM_ENABLE_V1_MULTIPROCESSING=${VLLM_ENABLE_V1_MULTIPROCESSING:-0}
    $base_answered || step "${evaluation[@]}" --model "$BASE_MODEL" --name base --output "$E4/base" "${in_process[@]}"
    step "${evaluation[@]}" --model "$E3/model" --name tuned --output "$E4/tuned" "${in_process[@]}"
    step "$py" 04_eval/score.py --input "$E4/base/samples.jsonl" "$E4/tuned/samples.jsonl" --output "$E4/scored.jsonl" --csv "$OUT/results.csv"
    step "$py" 04_eval/compare.py "$E4/scored.jsonl:base" "$E4/scored.jsonl:tuned" --output "$E4/comparison.json"
    ablation=()
    [[ -f $E2/ablation/ablation.json ]] && ablation=(--ablation "$E2/ablation/ablation.json")   # of 02_mix/ablate.sh, where it was run on this run's rows
    step "$py" 04_eval/report.py --scored "$E4/scored.jsonl" --output "$E4" --title "$RUN: base and tuned model" --note "${NOTE:-}" "${ablation[@]}"
    step "$py" 03_sft/model_card.py --model "$E3/model" --results "$OUT/results.csv" --output "$E3/model/README.md" ${HUB_ID:+--hub-id "$HUB_ID"}
    if [[ -n $HUB_ID ]] && ! $DRY_RUN; then   # needs `hf auth login`
        "${py%python}hf" upload "$HUB_ID" "$E3/model" --exclude "checkpoint-*" --exclude "runs/*" --exclude "tokens/*" --exclude "*.jsonl" --exclude "*.bin"
    fi
fi

# ---- what came out ----
$DRY_RUN && exit
say "rows"
[[ -f $E1/funnel.md ]] && sed '/^$/q' "$E1/funnel.md"
if [[ -f $OUT/results.csv ]]; then
    say "results"
    cut -d, -f1-9 "$OUT/results.csv" | column -s, -t
fi
say "where it is"
for path in "data:$E2/train.jsonl" "textbook questions:$E1/textbook_qa.jsonl" "rows to read by eye:$E1/spot_check.html" "model:$E3/model" "results:$OUT/results.csv" \
    "report:$E4/report.html" "samples to click through:$E4/viewer.html"; do
    [[ -e ${path#*:} ]] && printf '  %-26s %s\n' "${path%%:*}" "${path#*:}"
done
exit 0
