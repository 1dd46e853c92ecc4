# shellcheck shell=bash
# ./build.sh bench: the package's sizes, and ms per instruction in headless Chromium and natively, one thread each.
# benches/page/bench.mjs writes target/bench/bench.json and prints the table. With --peers, against other engines instead.

bench() {
  local peers='' passes=()
  while [ $# -gt 0 ]; do
    case $1 in
      --peers) peers=1 ;;
      --passes)
        [[ ${2:-} =~ ^[1-9][0-9]*$ ]] || die "--passes wants a number, as in './build.sh bench --peers --passes 3'."
        passes=(--passes "$2")
        shift
        ;;
      *) die "bench knows no '$1': see './build.sh help'." ;;
    esac
    shift
  done
  ensure_browser
  package
  demo
  npm_modules tests
  mkdir -p target/bench
  if [ -n "$peers" ]; then
    bench_peers "${passes[@]}"
    return
  fi
  [ ${#passes[@]} -eq 0 ] || die '--passes goes with --peers.'
  say 'measuring natively'
  cargo bench --bench encoder --features cli | tee target/bench/native.log
  say 'measuring in headless Chromium'
  node benches/page/bench.mjs
}

# The same model in other engines, each in its turn: benches/peers/bench.mjs.
bench_peers() {
  ensure_checkpoint
  ensure_peer_python
  ensure_peer_models
  npm_modules benches/peers
  cli
  cargo bench --no-run --bench encoder --features cli
  say 'measuring against the peers'
  node benches/peers/bench.mjs "$@"
}

# Python with what makes the peers' models and runs the native ones; PIE_PEER_PYTHON is its interpreter.
ensure_peer_python() {
  local wanted=$ROOT/benches/peers/requirements.txt home
  home=$CACHE/peers-python-$(sha256sum <"$wanted" | cut -c 1-12)
  if [ ! -d "$home" ]; then
    # PyPI's PyTorch for Linux on x86-64 brings its GPU libraries.
    say "installing PyTorch, onnxruntime and sentence-transformers from PyPI (some minutes and up to 6 GB in $CACHE, once)"
    need python3 'Python 3.11 or newer with venv and pip'
    rm -rf "$home.part"
    { python3 -m venv "$home.part" && "$home.part/bin/python" -m pip install -q -r "$wanted" >&2 && mv "$home.part" "$home"; } ||
      die "the Python packages of benches/peers/requirements.txt could not be installed: see the message above, then run this again."
  fi
  export PIE_PEER_PYTHON=$home/bin/python
}

# all-MiniLM-L6-v2 as its users in other engines have it; PIE_PEER_MODELS is the folder.
ensure_peer_models() {
  local key home
  key=$(cat benches/peers/make_models.py benches/peers/requirements.txt tests/fixtures/bench-instructions.txt | sha256sum | cut -c 1-12)
  home=$CACHE/peers-models-$CHECKPOINT_VERSION-$key
  if [ ! -d "$home" ]; then
    say 'exporting the checkpoint to ONNX and quantising it'
    rm -rf "$home.part"
    { "$PIE_PEER_PYTHON" benches/peers/make_models.py --base "$PIE_BASE_DIR" --out "$home.part" >&2 && mv "$home.part" "$home"; } ||
      die 'the models of the peers could not be made: see the message above, then run this again.'
  fi
  export PIE_PEER_MODELS=$home
}
