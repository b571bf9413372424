#!/usr/bin/env bash
# Simulate a log with ten planted campaigns, find them, and say where the report is.
# usage: scripts/demo.sh BIN   (BIN: the folder that holds the graphdet command)
set -euo pipefail
cd "$(dirname "$0")/.."
bin=${1:-.venv/bin}
log=demo/log.parquet
mkdir -p demo

"$bin/graphdet" simulate --out "$log" --users 20000 --plan benchmark --seed 7
"$bin/graphdet" run "$log" --config simulated --out demo/run --seed 0

echo
echo "The log was made up, so it is known what was planted in it (demo/truth.csv), and what of it was found:"
"$bin/graphdet" scoreboard demo/run --truth demo/truth.csv
echo
echo "Open demo/run/report.html in a browser."
