#!/usr/bin/env bash
# Run the tests, after making .venv if needed.   bash tests/run.sh [--fast] [pytest options]
#   (nothing)  everything: real engine, trainer, browser and the whole demo; about 25 minutes on 2 cores
#   --fast     without those marked slow; under a minute
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash setup.sh
only=()
if [[ ${1:-} == --fast ]]; then
    shift
    only=(-m "not slow")
fi
exec "${VENV:-.venv}/bin/python" -m pytest "${only[@]}" "$@"
