#!/usr/bin/env bash
# The smoke suite on every other runtime: each must pass, and all must leave the same capture.
set -euo pipefail
cd "$(dirname "$0")"
npm install --no-audit --no-fund --silent
smoke=../../test/runtimes/smoke.ts
bin=$PWD/node_modules
declare -A outcome
run() { # name, command
  local name=$1
  shift
  printf -- '-- %s\n' "$name"
  local printed
  printed=$("$@")
  printf '%s\n' "$printed"
  outcome[$name]=$(printf '%s\n' "$printed" | grep -o 'sha256 [0-9a-f]*')
}
run "this Node $(node --version)" node --import tsx "$smoke"
for version in 22 24 26; do run "Node $("$bin/node-$version/bin/node" --version)" "$bin/node-$version/bin/node" "$smoke"; done
run "Bun $("$bin/@oven/bun-linux-x64/bin/bun" --version)" "$bin/@oven/bun-linux-x64/bin/bun" "$smoke"
run "Deno $("$bin/@deno/linux-x64-glibc/deno" --version | head -1)" "$bin/@deno/linux-x64-glibc/deno" run --no-lock --node-modules-dir=none -A "$smoke"
if [ "$(printf '%s\n' "${outcome[@]}" | sort -u | wc -l)" != 1 ]; then
  for name in "${!outcome[@]}"; do printf '%s: %s\n' "$name" "${outcome[$name]}"; done
  echo 'the captures differ' >&2
  exit 1
fi
echo "the same capture on all ${#outcome[@]}"
