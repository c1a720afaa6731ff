# The compiler and the architectures of this project's own programs for NVIDIA GPUs, and formwork_cuda_development, what they are
# compiled with.
set(FORMWORK_CUDA_ARCHITECTURES "" CACHE STRING "Compute capabilities, for example 86 or 80;90;120; empty: those of this machine's GPUs")

include(${CMAKE_CURRENT_LIST_DIR}/nvcc.cmake)
if(NOT formwork_nvcc)
  message(FATAL_ERROR "CUDA: ${formwork_no_nvcc}. Install the CUDA Toolkit, ${formwork_least_nvcc} or later "
          "(https://developer.nvidia.com/cuda-downloads, or the package nvidia-cuda-toolkit of Debian 13 or Ubuntu 26.04), "
          "and name its compiler with -DCMAKE_CUDA_COMPILER=/path/to/nvcc where it is not on the PATH.")
endif()
set(CMAKE_CUDA_COMPILER ${formwork_nvcc})
include(${CMAKE_CURRENT_LIST_DIR}/cuda_architectures.cmake)
formwork_cuda_architectures(CMAKE_CUDA_ARCHITECTURES "${formwork_nvcc}" "${FORMWORK_CUDA_ARCHITECTURES}")
if(NOT FORMWORK_CUDA_ARCHITECTURES)
  message(STATUS "CUDA architecture: ${CMAKE_CUDA_ARCHITECTURES} (FORMWORK_CUDA_ARCHITECTURES chooses others)")
endif()
enable_language(CUDA)
find_package(CUDAToolkit REQUIRED)

add_library(formwork_cuda_development INTERFACE)
target_link_libraries(formwork_cuda_development INTERFACE formwork::cuda CUDA::cudart_static)
target_compile_options(formwork_cuda_development INTERFACE $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra>)
