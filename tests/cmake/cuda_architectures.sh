#!/bin/sh
# cuda_architectures.sh CMAKE FOLDER: what FOLDER/cuda_architectures.cmake chooses, for compilers that know some architectures and
# machines with some GPUs (two scripts in the place of nvcc and nvidia-smi).
set -eu
cmake=$1
folder=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0
# nvcc ARCHITECTURE... knows these; gpus CAPABILITY... are in the machine, without one nvidia-smi fails.
nvcc() {
  { echo '#!/bin/sh'; for a; do echo "echo compute_$a"; done; } >"$work/nvcc"
  chmod +x "$work/nvcc"
}
gpus() {
  { echo '#!/bin/sh'; for g; do echo "echo $g"; done; [ $# -gt 0 ] || echo 'echo No devices were found; exit 6'; } >"$work/nvidia-smi"
  chmod +x "$work/nvidia-smi"
}
asked() {  # WANTED
  echo "cmake_minimum_required(VERSION 3.25)
include($folder/cuda_architectures.cmake)
formwork_cuda_architectures(chosen $work/nvcc \"$1\")
message(\"chosen: \${chosen}\")" >"$work/ask.cmake"
  PATH="$work:$PATH" "$cmake" -P "$work/ask.cmake" 2>&1 | tr '\n' ' ' | tr -s ' '
}
gives() {  # WANTED CHOSEN
  case "$(asked "$1")" in *"chosen: $2 ") ;; *) echo "cuda_architectures: for '$1' not '$2' but: $(asked "$1")"; bad=1 ;; esac
}
says() {  # WANTED SENTENCE
  answer=$(asked "$1")
  case "$answer" in *chosen:*) echo "cuda_architectures: accepted '$1': $answer"; bad=1 ;; *"$2"*) ;; *) echo "cuda_architectures: of '$1' it says: $answer"; bad=1 ;; esac
}

nvcc 70 75 80 86 89 90 100 120 121
gpus
gives "" 80
gives 86 86
gives "80;90-real;120-virtual" "80;90-real;120-virtual"
gives native native
gpus 8.9
gives "" 89
gives 80 80
gpus 12.0 8.6 8.6
gives "" "120;86"
gpus 8.6 7.5
gives "" 86
gpus 11.0  # unknown, and not the newest
gives "" 100
gpus 7.5
says "" "compute capability 7.5, and the kernels need 8.0"
gives 80 80
says 75 "asks for 75, and the kernels need"
says "80;110" "asks for 110, which"

nvcc 80 86 89 90
gpus 12.0
gives "" 90
says 120 "90 is its newest"
gpus 12.0 9.0
gives "" 90

printf '#!/bin/sh\nexit 1\n' >"$work/nvcc"
says 80 "does not say for which GPUs it compiles"
[ $bad = 0 ] && echo "cuda_architectures: chosen and refused as they should be"
exit $bad
