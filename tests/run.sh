#!/usr/bin/env bash
# Run the tests, after making .venv if needed.   bash tests/run.sh [--fast | --all] [pytest options]
#   (nothing)  the usual run, with the real trainer, a browser and the whole demo (engine, server, all four stages); about 25 minutes on 2 cores
#   --fast     without those marked slow: no engine, no torch
#   --all      also those marked long: each step with the real engine by itself, an ablation; about 25 minutes more
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash setup.sh
only=(-m "not long")
case ${1:-} in
--fast) shift; only=(-m "not slow and not long") ;;
--all) shift; only=() ;;
esac
exec "${VENV:-.venv}/bin/python" -m pytest "${only[@]}" "$@"
