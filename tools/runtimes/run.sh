#!/usr/bin/env bash
# The smoke suite on every runtime: the Node at hand (20 through tsx), Node 22, 24 and 26, Bun, Deno. All must pass and print
# the same SHA-256 of the same capture. Binaries come from npm (Linux on x64); SOCKEYE_OFFLINE=1 takes what is installed.
set -uo pipefail
cd "$(dirname "$0")"
here=$PWD
root=$(cd ../.. && pwd)
smoke=$root/test/runtimes/smoke.ts

if [ "${SOCKEYE_OFFLINE:-0}" != 1 ]; then
  npm ci --no-audit --no-fund --ignore-scripts --silent || { echo 'runtimes: npm ci failed' >&2; exit 1; }
fi

failed=0
hashes=()

# run NAME COMMAND...: one runtime; its lines behind its name.
run() {
  local name=$1 out
  shift
  if ! out=$("$@" "$smoke" 2>&1); then
    echo "$out" | sed "s/^/$name: /"
    echo "$name: FAILED"
    failed=1
    return
  fi
  local hash
  hash=$(echo "$out" | sed -n 's/^sha256 //p')
  echo "$name: $(echo "$out" | grep -c '^ok ') ok, sha256 $hash"
  [ -n "$hash" ] || failed=1
  hashes+=("$hash")
}

modules=$here/node_modules
cd "$root" || exit 1
run "node $(node --version) with tsx" node --import tsx
for major in 22 24 26; do
  binary=$modules/node$major/bin/node
  run "node $($binary --version)" "$binary" --disable-warning=ExperimentalWarning
done
run "bun $("$modules/@oven/bun-linux-x64/bin/bun" --version)" "$modules/@oven/bun-linux-x64/bin/bun"
run "$("$modules/@deno/linux-x64-glibc/deno" --version | head -n 1)" "$modules/@deno/linux-x64-glibc/deno" run -A --quiet

if [ "$(printf '%s\n' "${hashes[@]}" | sort -u | wc -l)" -ne 1 ]; then
  echo 'runtimes: the captures differ' >&2
  failed=1
fi
exit $failed
