# formwork_cuda: programs for NVIDIA GPUs. FORMWORK_CUDA_ARCHITECTURES is empty for the GPU of this machine, or, where
# there is none, for every GPU since 2020 (8.0; newer ones translate it when the program first runs).
set(FORMWORK_CUDA_ARCHITECTURES "" CACHE STRING "Compute capabilities, for example 86 or 80;90;120")

if(NOT CMAKE_CUDA_COMPILER)
  find_program(FORMWORK_NVCC nvcc PATHS /usr/local/cuda/bin /opt/cuda/bin)
  if(NOT FORMWORK_NVCC)
    message(FATAL_ERROR "CUDA: nvcc was not found. Install the CUDA Toolkit, 12.4 or later "
            "(https://developer.nvidia.com/cuda-downloads), and name it with -DCMAKE_CUDA_COMPILER=/path/to/nvcc.")
  endif()
  set(CMAKE_CUDA_COMPILER ${FORMWORK_NVCC})
endif()
if(FORMWORK_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES ${FORMWORK_CUDA_ARCHITECTURES})
else()
  execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
                  OUTPUT_VARIABLE formwork_gpus ERROR_QUIET RESULT_VARIABLE formwork_no_gpu)
  if(formwork_no_gpu)
    set(CMAKE_CUDA_ARCHITECTURES 80)
  else()
    string(REGEX MATCH "^[0-9]+\\.[0-9]+" formwork_gpu "${formwork_gpus}")
    string(REPLACE "." "" CMAKE_CUDA_ARCHITECTURES "${formwork_gpu}")
  endif()
  message(STATUS "CUDA architecture: ${CMAKE_CUDA_ARCHITECTURES} (FORMWORK_CUDA_ARCHITECTURES chooses others)")
endif()
enable_language(CUDA)
if(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.4)
  message(FATAL_ERROR "CUDA: nvcc ${CMAKE_CUDA_COMPILER_VERSION} is too old for C++20 as it is used here; install the CUDA Toolkit 12.4 or later.")
endif()
find_package(CUDAToolkit REQUIRED)

add_library(formwork_cuda INTERFACE)
target_link_libraries(formwork_cuda INTERFACE formwork::formwork CUDA::cudart_static)
target_compile_options(formwork_cuda INTERFACE
  # The front end stops a constant expression at 2 million steps; tracing a model takes more.
  "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:-std=c++20 --expt-relaxed-constexpr -Xcudafe --max_cost_constexpr_call=2000000000 -Xcompiler=-Wall,-Wextra>")
if(TARGET OpenMP::OpenMP_CXX)
  target_compile_options(formwork_cuda INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-fopenmp>)
endif()
