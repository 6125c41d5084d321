#!/usr/bin/env bash
# What a GPU that is at hand for minutes is used for, in one command and without network:
#   benchmarks/gpu.sh CONFIG OUT SECONDS [KEY=VALUE ...]
# tests, trains CONFIG for what is left of SECONDS, writes averaged weights to OUT every minute in
# pieces under 16 MiB (`tts models join OUT/NAME.json -o FOLDER`), and times generation.
#   benchmarks/gpu.sh --smoke OUT    all of it on a CPU, with a made-up corpus and a tiny network
# WHEELS names a folder of wheels to install first, PYTHON the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."
python="${PYTHON:-python3}"
if [ -n "${WHEELS:-}" ]; then
  site="$(mktemp -d)"
  "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --target "$site" \
    "$WHEELS"/*.whl
  export PYTHONPATH="$site:${PYTHONPATH:-}"
fi
export PYTHONPATH="$PWD:$PWD/codecs:${PYTHONPATH:-}" PYTHONUNBUFFERED=1
exec "$python" -m benchmarks.studies.gpu "$@"
