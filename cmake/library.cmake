# formwork::formwork: headers, C++20, Boost.Hana's headers, OpenMP where the compiler has it.
# formwork::cuda: the same, and what nvcc is told of files in the language CUDA.
include(GNUInstallDirs)

add_library(formwork INTERFACE)
add_library(formwork::formwork ALIAS formwork)

target_compile_features(formwork INTERFACE cxx_std_20)
target_include_directories(formwork INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# clang stops a constant expression after a million steps, g++ after 33 million operations, of which g++ 15 counts more than its
# forerunners; tracing a model takes more.
set(formwork_gxx_limit -fconstexpr-ops-limit=2000000000)
set(formwork_clangxx_limit -fconstexpr-steps=100000000)
target_compile_options(formwork INTERFACE
  $<$<COMPILE_LANG_AND_ID:CXX,GNU>:${formwork_gxx_limit}>
  $<$<COMPILE_LANG_AND_ID:CXX,Clang,AppleClang>:${formwork_clangxx_limit}>)

include(${CMAKE_CURRENT_LIST_DIR}/requirements.cmake)
if(formwork_missing)
  message(FATAL_ERROR "${formwork_missing}")
endif()
target_link_libraries(formwork INTERFACE formwork_boost formwork_openmp)

add_library(formwork_cuda INTERFACE)
add_library(formwork::cuda ALIAS formwork_cuda)
set_target_properties(formwork_cuda PROPERTIES EXPORT_NAME cuda)
target_link_libraries(formwork_cuda INTERFACE formwork)
# nvcc's front end stops a constant expression at 2 million steps, and then g++ reads the program.
set(formwork_nvcc_flags -std=c++20 --expt-relaxed-constexpr -Xcudafe --max_cost_constexpr_call=2000000000)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND formwork_nvcc_flags -Xcompiler=${formwork_gxx_limit})
endif()
list(JOIN formwork_nvcc_flags " " formwork_nvcc_line)
target_compile_options(formwork_cuda INTERFACE "$<$<COMPILE_LANGUAGE:CUDA>:SHELL:${formwork_nvcc_line}>")
