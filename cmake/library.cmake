# formwork::formwork: headers, C++20, Boost.Hana's headers, OpenMP where the compiler has it.
include(GNUInstallDirs)

add_library(formwork INTERFACE)
add_library(formwork::formwork ALIAS formwork)

target_compile_features(formwork INTERFACE cxx_std_20)
target_include_directories(formwork INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

# clang stops a constant expression after a million steps; tracing a model takes more.
target_compile_options(formwork INTERFACE
  $<$<COMPILE_LANG_AND_ID:CXX,Clang,AppleClang>:-fconstexpr-steps=100000000>)

include(${CMAKE_CURRENT_LIST_DIR}/requirements.cmake)
if(formwork_missing)
  message(FATAL_ERROR "${formwork_missing}")
endif()
target_link_libraries(formwork INTERFACE formwork_boost formwork_openmp)
