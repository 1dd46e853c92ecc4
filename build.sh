#!/usr/bin/env bash
# The one way to build, run, test and measure this project: ./build.sh help
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")"
. tools/common.sh
. tools/toolchain.sh
. tools/package.sh
. tools/bench.sh
. tools/cuda.sh
. tools/stage.sh

usage() {
  cat <<'TEXT'
usage: ./build.sh COMMAND

  run [--no-serve] [--port N]  install what is missing, build, tag a few instructions through the wasm package,
                               then serve the demo page on loopback (--no-serve: end after printing)
  pkg                          the npm package: built files in pkg/dist, sizes printed and held to tools/size-budget.json
  demo                         the demo page as static files for any path of a web server: target/demo
  cli                          the command line, in release: target/release/pie
  cuda                         the same with training on NVIDIA GPUs: target/cuda/release/pie; needs no GPU and no CUDA toolkit
  test [--full] [STAGE ...]    every check, with minutes per stage; --full adds the long ones; STAGEs run alone
  bench                        sizes, and ms per instruction in headless Chromium and natively
  bench --peers [--passes N]   the same model in other engines, in turns: target/bench/peers.json and peers.svg
  help                         this text
TEXT
  printf '\nstages: %s\n  with --full also: %s\n' "${STAGES[*]}" "${FULL_STAGES[*]}"
}

run() {
  local serve=1 port=()
  while [ $# -gt 0 ]; do
    case $1 in
      --no-serve) serve= ;;
      --port)
        [[ ${2:-} =~ ^[0-9]+$ ]] || die "--port wants a number, as in './build.sh run --port 8080'."
        port=(--port "$2")
        shift
        ;;
      *) die "run knows no '$1': see './build.sh help'." ;;
    esac
    shift
  done
  package
  demo
  say 'tagging through the wasm package (Node)'
  node pkg/examples/tag.mjs
  [ -z "$serve" ] || exec node www/serve.mjs "${port[@]}"
}

cli() {
  need cargo 'Rust 1.95 or newer'
  say 'building target/release/pie'
  cargo build --release --bin pie --features cli
}

command=${1:-help}
[ $# -eq 0 ] || shift
case $command in
  run) run "$@" ;;
  pkg) package ;;
  demo)
    package
    demo
    ;;
  cli) cli ;;
  cuda) cuda ;;
  test) run_stages "$@" ;;
  bench) bench "$@" ;;
  help | -h | --help) usage ;;
  *) die "there is no command '$command': see './build.sh help'." ;;
esac
