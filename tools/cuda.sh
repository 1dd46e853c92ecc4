# shellcheck shell=bash
# The command line with training on NVIDIA GPUs, built where there is neither a GPU nor a CUDA toolkit: compiler, headers and runtime
# come from PyPI, and stubs are linked in place of the libraries that only a GPU's machine has.

CUDA_VERSION=13.0.88
CUDA_WHEELS=("nvidia-cuda-nvcc==$CUDA_VERSION" "nvidia-cuda-crt==$CUDA_VERSION" "nvidia-nvvm==$CUDA_VERSION" 'nvidia-cuda-runtime==13.0.96'
  'nvidia-cuda-cccl==13.0.85')
# Library, number of its soname, and the module of cudarc that declares its functions.
CUDA_STUBS=(cuda:1:driver cublas:13:cublas cublasLt:13:cublaslt curand:10:curand nvrtc:13:nvrtc)

cuda() {
  ensure_cuda
  say 'building target/cuda/release/pie (some ten minutes at first)'
  # gcc looks for libraries along LIBRARY_PATH. Kernels for Ampere run on what came after it too.
  PATH=$CUDA_HOME/bin:$PATH LIBRARY_PATH=$CUDA_LINK CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-80} CARGO_TARGET_DIR=$ROOT/target/cuda \
    cargo build --release --bin pie --features cli,cuda
}

# Sets CUDA_HOME, the toolkit, and CUDA_LINK, the folder of all that is linked.
ensure_cuda() {
  need cargo 'Rust 1.95 or newer'
  need g++ 'a C++ compiler that nvcc takes'
  local kept=$CACHE/cuda-$CUDA_VERSION
  if [ ! -d "$kept" ]; then
    say "fetching the CUDA compiler $CUDA_VERSION (PyPI ${CUDA_WHEELS[*]})"
    need python3 'Python 3.9 or newer with pip'
    rm -rf "$kept.part"
    {
      PIP_ROOT_USER_ACTION=ignore python3 -m pip install -q --no-deps --only-binary=:all: --target "$kept.part" "${CUDA_WHEELS[@]}" >&2 &&
        mv "$kept.part" "$kept"
    } || die "the CUDA compiler could not be fetched: with PyPI reachable through pip, run this again."
  fi
  export CUDA_HOME=$kept/nvidia/cu13
  CUDA_LINK=$ROOT/target/cuda/link
  mkdir -p "$CUDA_LINK"
  ln -sf "$CUDA_HOME/lib/libcudart.so.13" "$CUDA_LINK/"
  ln -sf libcudart.so.13 "$CUDA_LINK/libcudart.so"
  cuda_stubs
}

# The libraries with every function that the crate cudarc declares, so that the linker still names one that no library has. Each fails
# as on a machine without a GPU: 100 is CUDA_ERROR_NO_DEVICE.
cuda_stubs() {
  local cudarc stub name number module
  cudarc=$(cargo metadata --format-version 1 --features cuda | grep -o '"manifest_path":"[^"]*/cudarc-[^"]*"' | cut -d'"' -f4)
  for stub in "${CUDA_STUBS[@]}"; do
    IFS=: read -r name number module <<<"$stub"
    grep -ohE '\bfn (cu|nvrtc)\w+\(' "$(dirname "$cudarc")/src/$module/sys/mod.rs" | sort -u |
      sed -E 's/^fn (.*)\($/int \1(void) { return 100; }/' |
      gcc -shared -fPIC -x c - -o "$CUDA_LINK/lib$name.so.$number" "-Wl,-soname,lib$name.so.$number"
    ln -sf "lib$name.so.$number" "$CUDA_LINK/lib$name.so"
  done
}
