#!/usr/bin/env bash
# Run the tests, after making .venv if needed.   bash tests/run.sh [--slow | --all] [pytest options]
#   (nothing)  the fast ones: no engine, no torch; about two minutes
#   --slow     also those with the real trainer, a browser, and the whole demo (engine, server, all four stages); about 25 minutes on 2 cores
#   --all      also those marked long: each step with the real engine by itself, an ablation
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash setup.sh
only=(-m "not slow and not long")
case ${1:-} in
--slow) shift; only=(-m "not long") ;;
--all) shift; only=() ;;
esac
exec "${VENV:-.venv}/bin/python" -m pytest "${only[@]}" "$@"
