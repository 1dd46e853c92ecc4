# shellcheck shell=bash
# The npm package: cargo -> wasm-bindgen -> wasm-opt -> tsc, then the shipped model beside it. And the demo page, made of it.

WASM_DIR=$ROOT/pkg/dist/wasm
RELAXED_WASM_DIR=$ROOT/pkg/dist/wasm-relaxed
GPU_WASM_DIR=$ROOT/pkg/dist/wasm-gpu
# The demo page's alone: the npm package reads no files of rows.
DATASET_WASM_DIR=$ROOT/target/page-dataset
# What is marked #[inline(never)] is a call because a browser swaps slow code for fast code at calls: it must stay one.
WASM_OPT_FLAGS=('--no-inline=*kernels::*' '--no-inline=*pack_row*' '--no-inline=*block::dequantize*' -O3
  --enable-simd --enable-relaxed-simd --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext
  --enable-mutable-globals --enable-reference-types --enable-multivalue --strip-debug --strip-producers)

package() {
  ensure_wasm_std
  ensure_wasm_bindgen
  ensure_wasm_opt
  package_wasm
  node tools/models.mjs models pkg/dist/models
  node tools/models.mjs models pkg/multi/dist pie-multi
  cp LICENSE pkg/LICENSE
  cp LICENSE pkg/multi/LICENSE
  say 'compiling the TypeScript of pkg/'
  local start=$CARGO_TARGET_DIR/package.start
  touch "$start"
  npm --prefix pkg run --silent build || die "pkg/ did not compile: mend what tsc names above."
  # What a source of an earlier build left behind would be shipped; and a .gitignore here hides the wasm from npm pack.
  find pkg/dist -path 'pkg/dist/wasm*' -prune -o -path pkg/dist/models -prune -o -type f ! -newer "$start" -exec rm {} +
  find pkg/dist -name .gitignore -delete
  node tools/notices.mjs pkg/dist/NOTICES.txt || die 'the notices of the compiled crates could not be written: see the message above.'
  node tools/sizes.mjs
}

# The demo page, with the package in it: www/build.mjs makes target/demo.
demo() {
  npm_modules www
  say 'making the demo page'
  node www/build.mjs
}

package_wasm() {
  say "building the engine for $WASM_TARGET"
  package_wasm_file pie_embed_wasm "$WASM_DIR"
  say 'building it with relaxed SIMD'
  # In place of the flags of .cargo/config.toml, hence a target folder of its own.
  RUSTFLAGS='-C target-feature=+simd128,+relaxed-simd --cfg getrandom_backend="wasm_js"' CARGO_TARGET_DIR=$ROOT/target/relaxed \
    package_wasm_file pie_embed_wasm "$RELAXED_WASM_DIR"
  cmp -s {"$WASM_DIR","$RELAXED_WASM_DIR"}/pie_embed_wasm.js ||
    die 'the engines with and without relaxed SIMD differ in their glue, of which the package has one: no export may depend on the target.'
  say "building the GPU's encoder for $WASM_TARGET"
  package_wasm_file pie_embed_wasm_gpu "$GPU_WASM_DIR" --no-default-features --features webgpu
  say "building the demo page's readers of rows for $WASM_TARGET"
  package_wasm_file pie_dataset "$DATASET_WASM_DIR" --no-default-features --features dataset
}

# package_wasm_file NAME FOLDER CARGO-FLAG…
package_wasm_file() {
  local name=$1 dir=$2 built=$CARGO_TARGET_DIR/$WASM_TARGET/wasm/pie_embed_wasm.wasm
  local stamp=$CARGO_TARGET_DIR/wasm-package-$1.sha256 inputs
  shift 2
  cargo build --lib --target "$WASM_TARGET" --profile wasm "$@"

  inputs=$({
    cat "$built" pkg/node_modules/binaryen/package.json
    wasm-bindgen --version
    printf '%s\n' --omit-default-module-path "${WASM_OPT_FLAGS[@]}"
  } | sha256sum)
  if [ -f "$dir/${name}_bg.wasm" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$inputs" ]; then
    say "$name is unchanged"
    return
  fi
  # Written beside and renamed, so that nobody meets a half-made package.
  local part=$dir.part
  rm -rf "$part" "$stamp"
  mkdir -p "$part"
  wasm-bindgen "$built" --target web --omit-default-module-path --out-name "$name" --out-dir "$part"
  say 'wasm-opt -O3'
  "$WASM_OPT" "${WASM_OPT_FLAGS[@]}" "$part/${name}_bg.wasm" -o "$part/optimised.wasm" ||
    die "wasm-opt refused $name: if it names a feature, add it to WASM_OPT_FLAGS in tools/package.sh."
  mv "$part/optimised.wasm" "$part/${name}_bg.wasm"
  rm -rf "$dir"
  mv "$part" "$dir"
  printf '%s\n' "$inputs" >"$stamp"
}
