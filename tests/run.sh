#!/usr/bin/env bash
# Run the tests, after making .venv if needed.   bash tests/run.sh [--slow | --all] [pytest options]
#   (nothing)  the fast ones on all cores: no engine, no torch; two to four minutes on 2 cores
#   --slow     then also those with the real trainer, the real engine, the whole demo (all four stages, twice), and the profiles lora and
#              full and the Colab notebook on miniatures from a hub of their own (tests/hub); 25 to 50 minutes on 2 cores
#   --all      then also those marked long: each step with the real engine by itself, an ablation
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash setup.sh
then=""
case ${1:-} in
--slow) shift; then="slow and not long" ;;
--all) shift; then="slow or long" ;;
esac
fast=(-m "not slow and not long" -n auto --dist worksteal)
run() {   # exit code 5, "no test collected", is no failure of two passes: a path may hold only fast or only slow tests
    "${VENV:-.venv}/bin/python" -m pytest "$@" || [[ $? == 5 ]]
}
[[ -n $then ]] || exec "${VENV:-.venv}/bin/python" -m pytest "${fast[@]}" "$@"
run "${fast[@]}" "$@"
run -m "$then" "$@"   # one at a time: engine and trainer take all cores
