# shellcheck shell=bash
# ./build.sh test: one stage after another, all of them even when one fails, with minutes per stage at the end.

STAGES=(fmt house clippy rust webgpu cli wasm-node wasm-scalar wasm-browser wasm-relaxed wasm-webgpu package npm publish)
# Too long for every change; later work adds its own here, as a function stage_NAME below.
FULL_STAGES=(bench soak many cuda spark)

stage_fmt() { cargo fmt --check || die "the Rust sources are not formatted: run 'cargo fmt'."; }

stage_house() {
  apt_command shellcheck shellcheck
  shellcheck -x -a build.sh tools/house.sh .ci/run || die 'shellcheck has complaints about the shell scripts: mend them.'
  bash tools/house.sh
}

# In the release profile, so that build scripts and macros serve the test stages too.
stage_clippy() {
  ensure_wasm_std
  cargo clippy --release --features cli --all-targets -- -D warnings
  cargo clippy --release --target "$WASM_TARGET" --lib --tests --features webgpu -- -D warnings
}

stage_rust() {
  ensure_checkpoint
  cargo test --release --features cli
}

# The GPU's part on Mesa's software adapter.
stage_webgpu() {
  ensure_software_gpu
  PIE_WEBGPU_REQUIRED=1 cargo test --release --features cli --lib --test native webgpu::
}

stage_wasm_node() { wasm_tests --node; }

# The fallback for engines without SIMD: the same tests, another target folder for its other flags.
stage_wasm_scalar() {
  RUSTFLAGS='-D warnings --cfg getrandom_backend="wasm_js"' CARGO_TARGET_DIR=$ROOT/target/scalar wasm_tests --node
}

stage_wasm_browser() {
  ensure_browser
  # The tests name no place to run in, and without this the runner skips them with exit status 0.
  WASM_BINDGEN_USE_BROWSER=1 wasm_tests --headless --chrome --chromedriver "$(command -v chromedriver)"
}

# The dot products of relaxed SIMD, which Node 20 gets wrong.
stage_wasm_relaxed() {
  RUSTFLAGS='-D warnings -C target-feature=+simd128,+relaxed-simd --cfg getrandom_backend="wasm_js"' \
    CARGO_TARGET_DIR=$ROOT/target/relaxed stage_wasm_browser
}

# The GPU's part on Chromium's software adapter, which webdriver.json asks for. It is slow, and compiles shaders at first.
stage_wasm_webgpu() {
  ensure_browser
  WASM_BINDGEN_USE_BROWSER=1 WASM_BINDGEN_TEST_TIMEOUT=1500 \
    wasm_tests --headless --chrome --chromedriver "$(command -v chromedriver)" -- --test web-gpu --features webgpu
}

# wasm_tests FLAG… [-- WHICH…]: wasm-pack's tests; a run in which none was executed is a failure.
wasm_tests() {
  local flags=() which=(--lib --test web)
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    flags+=("$1")
    shift
  done
  [ $# -eq 0 ] || which=("${@:2}")
  ensure_wasm_std
  ensure_wasm_bindgen
  ensure_wasm_pack
  local log=$ROOT/target/wasm-tests.log
  mkdir -p "$ROOT/target"
  wasm-pack test "${flags[@]}" --release --mode no-install -- "${which[@]}" 2>&1 | tee "$log"
  grep -qE 'test result: ok\. [1-9][0-9]* passed' "$log" ||
    die "wasm-pack ran no test (${flags[*]} ${which[*]}): tests/web must not be configured for only one of browser and Node."
}

# The README's first command, all but the serving.
stage_package() { run --no-serve; }

# The command line too: one of these tests holds wasm to its answers, and would be skipped without it.
stage_npm() {
  ensure_browser
  ensure_firefox
  ensure_deno
  package
  demo
  cli
  npm_modules tests
  npm --prefix tests test
}

# What would be published: the crate builds from nothing but its package, and npm takes the other two.
stage_publish() {
  package
  cargo package --allow-dirty
  (cd pkg && npm publish --dry-run --access public)
  (cd pkg/multi && npm publish --dry-run --access public)
}

# The README's example, read from the README, must name the task it shows; then those of the guides.
stage_cli() {
  cli
  local example='echo '\''{"instruction":"Write a haiku about snow"}'\'' | target/release/pie tag --json' answer
  grep -qF "$example" README.md || die "the README no longer shows the command line's example ($example)."
  answer=$(bash -euo pipefail -c "$example")
  printf '%s\n' "$answer"
  node -e 'process.exit(/poem|haiku/.test(JSON.parse(process.argv[1]).kinds[0].label) ? 0 : 1)' "$answer" ||
    die 'a haiku is not tagged as poetry: the shipped model or taxonomy does not fit the command line.'
  node --test --test-reporter=spec tests/cli/docs.test.mjs
}

stage_bench() { bench; }

# Memory stays flat over many more embeddings than the npm stage makes.
stage_soak() {
  ensure_browser
  package
  demo
  npm_modules tests
  (cd tests && PIE_SOAK=20000 node --test --test-reporter=spec e2e/soak.test.mjs)
}

# The demo page with a list as long as people have them.
stage_many() {
  ensure_browser
  package
  demo
  npm_modules tests
  (cd tests && PIE_PROMPTS=10000 node --test --test-reporter=spec e2e/many.test.mjs)
}

# It compiles and links; and where there is no GPU it says so, which also shows that the driver was called.
stage_cuda() {
  cuda
  local said state=0
  said=$(LD_LIBRARY_PATH=$CUDA_LINK target/cuda/release/pie train --device cuda --base none --data none --out none 2>&1) || state=$?
  printf '%s\n' "$said"
  [[ "$state $said" == '1 pie: device cuda: '*CUDA_ERROR_NO_DEVICE*' [invalid_argument]' ]] ||
    die "training on a GPU where there is none ended with status $state: it must be 1, with an error that says so."
}

# The command line as Spark's filter on two workers, of which one is killed: its part is done again, and all is as one process has it.
stage_spark() {
  cli
  ensure_pyspark
  local dir
  dir=$(mktemp -d)
  target/release/pie phrasebook --dir models/phrasebook --output "$dir" >/dev/null
  head -n 6000 "$dir/train/en.jsonl" >"$dir/rows.jsonl"
  "$SPARK_PYTHON" tests/spark/cluster.py target/release/pie "$dir/rows.jsonl" "$dir/run"
  rm -rf "$dir"
}

run_stages() {
  local wanted=() full='' argument all="${STAGES[*]} ${FULL_STAGES[*]}"
  for argument; do
    if [ "$argument" = --full ]; then
      full=1
    elif [[ " $all " = *" $argument "* ]]; then
      wanted+=("$argument")
    else
      die "there is no stage '$argument': the stages are $all."
    fi
  done
  [ ${#wanted[@]} -gt 0 ] || wanted=("${STAGES[@]}")
  [ -z "$full" ] || wanted+=("${FULL_STAGES[@]}")

  local stage state passed=0 failed=0 started begun=$SECONDS table=''
  for stage in "${wanted[@]}"; do
    say "stage $stage"
    started=$SECONDS
    # A subshell of its own, and not in a condition: there errexit would be off.
    set +e
    (set -e; "stage_${stage//-/_}")
    state=$?
    set -e
    if [ "$state" = 0 ]; then state=passed passed=$((passed + 1)); else state=FAILED failed=$((failed + 1)); fi
    table+=$(printf '%-14s %-7s %6s' "$stage" "$state" "$(minutes $((SECONDS - started)))")$'\n'
    say "stage $stage $state"
  done
  printf '\n%-14s %-7s %6s\n' stage result minutes
  printf '%s' "$table"
  printf '%-22s %6s\n\n' all "$(minutes $((SECONDS - begun)))"
  printf '%d passed, %d failed\n' "$passed" "$failed"
  [ "$failed" = 0 ]
}

minutes() { awk -v seconds="$1" 'BEGIN { printf "%.1f", seconds / 60 }'; }
