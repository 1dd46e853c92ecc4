# shellcheck shell=bash
# What every piece of build.sh shares: where things lie, and how it speaks.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/pie-embed-wasm
WASM_TARGET=wasm32-unknown-unknown

# What is built lies where the README says, made with the flags of .cargo/config.toml, whatever the caller's shell has set.
export CARGO_TARGET_DIR=$ROOT/target
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET

say() { printf '==> %s\n' "$*" >&2; }
die() { printf 'build.sh: %s\n' "$*" >&2; exit 1; }

# need COMMAND WHERE-FROM
need() { command -v "$1" >/dev/null || die "$1 is missing: install $2, then run this again."; }

# The version of a crate in Cargo.lock.
locked_version() {
  local version
  [ -f "$ROOT/Cargo.lock" ] || die "Cargo.lock is missing: check it out of git again."
  version=$(awk -v name="$1" -F'"' '/^name = /{n=$2} /^version = / && n == name {print $2; exit}' "$ROOT/Cargo.lock")
  [ -n "$version" ] || die "Cargo.lock lists no $1: run 'cargo update --workspace' and commit the lock file."
  printf '%s\n' "$version"
}

# Debian packages, installed only when one of the commands is missing: apt_command "COMMAND…" PACKAGE…
apt_command() {
  local command missing=''
  for command in $1; do command -v "$command" >/dev/null || missing=1; done
  [ -n "$missing" ] || return 0
  shift
  apt_install "$@"
}

apt_install() {
  say "installing $* (apt-get)"
  [ "$(id -u)" = 0 ] || die "$* must be installed by root: run 'apt-get install -y $*', then run this again."
  { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$@"; } >&2 ||
    die "apt-get could not install $*: look at its message above, then run this again."
}

# The node modules of pkg/ or tests/, as its lock file has them.
npm_modules() {
  local dir=$ROOT/$1
  [ "$dir/node_modules/.package-lock.json" -nt "$dir/package-lock.json" ] &&
    [ "$dir/node_modules/.package-lock.json" -nt "$dir/package.json" ] && return 0
  say "npm ci in $1/"
  (cd "$dir" && npm ci --no-audit --no-fund >&2) ||
    die "npm ci failed in $1/: mend package.json and package-lock.json there ('npm install' writes the lock), then run this again."
  touch "$dir/node_modules/.package-lock.json"
}
