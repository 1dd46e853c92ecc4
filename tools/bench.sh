# shellcheck shell=bash
# ./build.sh bench: the package's sizes, and ms per instruction in headless Chromium and natively, one thread each.
# benches/page/bench.mjs writes target/bench/bench.json and prints the table.

bench() {
  ensure_browser
  package
  npm_modules tests
  say 'measuring natively'
  mkdir -p target/bench
  cargo bench --bench encoder --features cli | tee target/bench/native.log
  say 'measuring in headless Chromium'
  node benches/page/bench.mjs
}
