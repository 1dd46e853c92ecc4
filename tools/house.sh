#!/usr/bin/env bash
# The rules of the house that a grep can keep: who may use what, and what never gets into git.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

broken=0
# rule SENTENCE: every line on standard input breaks it.
rule() {
  local found
  found=$(cat)
  [ -n "$found" ] || return 0
  printf 'house rule: %s\n' "$1"
  printf '%s\n' "$found" | sed 's/^/    /'
  broken=$((broken + 1))
}

# search PATTERN: the matching lines of the text files named on standard input, comments left out.
search() {
  { xargs -r -d '\n' grep -nIHE -- "$1" || true; } | { grep -vE '^[^:]+:[0-9]+:[[:space:]]*//' || true; }
}

# What git has or would take: a rule holds before the commit too.
files() { git ls-files --cached --others --exclude-standard -- "$@" | while read -r file; do [ ! -f "$file" ] || echo "$file"; done; }

# only_in PLACES PATTERN SENTENCE: the pattern is found in src/ in those places alone.
only_in() { { files 'src/*.rs' | grep -vE "^src/($1)(/|$)" || true; } | search "$2" >"$found"; rule "$3" <"$found"; }

found=$(mktemp)
trap 'rm -f "$found"' EXIT

only_in 'wasm|webgpu' '\b(wasm_bindgen|js_sys|web_sys|serde_wasm_bindgen)\b' 'the browser stays in src/wasm/ and src/webgpu/'
only_in 'train|gguf' '\bcandle_(core|nn|transformers)\b' 'candle stays in src/train/ and src/gguf/'
only_in 'webgpu' '\bwgpu(::|;)' 'wgpu stays in src/webgpu/'
only_in 'bin' '\b(clap|indicatif|ctrlc|signal_hook)(::|;)' 'the command line stays in src/bin/'
only_in 'kernels|webgpu/context\.rs|bin/pie/descriptor\.rs' '\bunsafe\b' 'unsafe stays in src/kernels/, where trusted shaders are compiled, and where stdout is looked at'

{ files 'src/bin/*.rs' | { grep -v '/output\.rs$' || true; } | search '\be?print(ln)?!|\bstd(out|err)\(\)(\.lock\(|,)' || true; } >"$found"
rule 'stdout and stderr are written by src/bin/pie/output.rs alone, which knows a closed pipe' <"$found"

# Who may import whom: a file uses its own layer and those before it; error.rs and config.rs are everyone's.
layers=(kernels prompt gguf tokenizer encoder webgpu backend embedder tasks ieb dataset train wasm)
for index in "${!layers[@]}"; do
  layer=${layers[index]} above=$(IFS='|' && echo "${layers[*]:index+1}")
  [ -n "$above" ] || continue
  files "src/$layer/*" "src/$layer.rs" | search "\bcrate::(\{[^}]*\b)?($above)\b" >"$found"
  rule "src/$layer uses nothing of the layers above it ($above)" <"$found"
done

files '*.wasm' >"$found"
rule 'built wasm is not tracked' <"$found"

files | while read -r file; do [ "$(stat -c %s "$file")" -le 20000000 ] || echo "$file"; done >"$found"
rule 'no file over 20,000,000 bytes is tracked' <"$found"

files '*package-lock.json' | search '"resolved"' >"$found"
rule 'package-lock.json names no download address (omit-lockfile-registry-resolved in .npmrc sees to it)' <"$found"

files Cargo.lock | search '^source = ' | { grep -v 'registry+https://github.com/rust-lang/crates.io-index' || true; } >"$found"
rule 'Cargo.lock has crates.io as its only source' <"$found"

# Instructions of the fixtures and the phrasebook may name any path.
{ files | grep -vE '^(tests/fixtures|models/phrasebook)/' || true; } | search '(^|[^[:alnum:]_./-])/(work|root|home)/' >"$found"
rule 'no path of one machine is in the sources' <"$found"

[ "$broken" = 0 ] || { echo "house.sh: $broken broken, as listed above: move the code to where it belongs."; exit 1; }
echo 'house.sh: all rules kept'
