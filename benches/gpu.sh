#!/usr/bin/env bash
# Checks a build with a GPU against transformers on the same machine and compares their speed, in under eight minutes.
#
#     benches/gpu.sh BINARY [--device cuda|metal|cpu] [-o FILE] [ARGUMENTS OF benches/peers/gpu.py]
#
# BINARY is an attn-tui built with `--features cuda` or `metal`; `--device cpu` makes a dry run with any build. It needs
# Python with PyTorch (for CUDA, a build with it) and transformers: $PYTHON, or python3. FILE, gpu.json by default, gets one
# JSON object: the machine, the largest differences of the maps, and times and memory of both programs. The exit status
# is 0 if all maps agree to 1e-4.
set -euo pipefail

[ $# -ge 1 ] && [ -x "$1" ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2; }
binary=$(realpath "$1")
shift
python=${PYTHON:-python3}
"$python" -c 'import tokenizers, torch, transformers' || { echo "error: $python lacks torch or transformers" >&2; exit 1; }
# What is unfinished after 465 seconds is left out of the results; where there is `timeout` (macOS has none), eight minutes
# end everything.
limit=()
if command -v timeout >/dev/null; then
    limit=(timeout --kill-after=5 475)
fi
exec ${limit[@]+"${limit[@]}"} "$python" "$(dirname "$0")/peers/gpu.py" --binary "$binary" --seconds 465 "$@"
