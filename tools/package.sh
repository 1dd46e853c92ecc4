# shellcheck shell=bash
# The npm package: cargo -> wasm-bindgen -> wasm-opt -> tsc, then the shipped model beside it. And the demo page, made of it.

WASM_DIR=$ROOT/pkg/dist/wasm
WASM_OPT_FLAGS=(-O3 --enable-simd --enable-bulk-memory --enable-nontrapping-float-to-int --enable-sign-ext
  --enable-mutable-globals --enable-reference-types --enable-multivalue --strip-debug --strip-producers)

package() {
  ensure_wasm_std
  ensure_wasm_bindgen
  ensure_wasm_opt
  package_wasm
  node tools/models.mjs models pkg/dist/models
  cp LICENSE pkg/LICENSE
  say 'compiling the TypeScript of pkg/'
  local start=$CARGO_TARGET_DIR/package.start
  touch "$start"
  npm --prefix pkg run --silent build || die "pkg/ did not compile: mend what tsc names above."
  # What a source of an earlier build left behind would be shipped; and a .gitignore here hides the wasm from npm pack.
  find pkg/dist -path pkg/dist/wasm -prune -o -path pkg/dist/models -prune -o -type f ! -newer "$start" -exec rm {} +
  find pkg/dist -name .gitignore -delete
  node tools/sizes.mjs
}

# The demo page, with the package in it: www/build.mjs makes target/demo.
demo() {
  npm_modules www
  say 'making the demo page'
  node www/build.mjs
}

package_wasm() {
  local built=$CARGO_TARGET_DIR/$WASM_TARGET/wasm/pie_embed_wasm.wasm
  local stamp=$CARGO_TARGET_DIR/wasm-package.sha256 inputs
  say "building the engine for $WASM_TARGET"
  cargo build --lib --target "$WASM_TARGET" --profile wasm

  inputs=$({
    cat "$built" pkg/node_modules/binaryen/package.json
    wasm-bindgen --version
    printf '%s\n' "${WASM_OPT_FLAGS[@]}"
  } | sha256sum)
  if [ -f "$WASM_DIR/pie_embed_wasm_bg.wasm" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$inputs" ]; then
    say 'the engine is unchanged'
    return
  fi
  # Written beside and renamed, so that nobody meets a half-made package.
  local part=$WASM_DIR.part
  rm -rf "$part" "$stamp"
  mkdir -p "$part"
  wasm-bindgen "$built" --target web --out-dir "$part"
  say 'wasm-opt -O3'
  "$WASM_OPT" "${WASM_OPT_FLAGS[@]}" "$part/pie_embed_wasm_bg.wasm" -o "$part/optimised.wasm" ||
    die "wasm-opt refused the engine: if it names a feature, add it to WASM_OPT_FLAGS in tools/package.sh."
  mv "$part/optimised.wasm" "$part/pie_embed_wasm_bg.wasm"
  rm -rf "$WASM_DIR"
  mv "$part" "$WASM_DIR"
  printf '%s\n' "$inputs" >"$stamp"
}
