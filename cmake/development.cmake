# formwork_development: what this project's own programs are compiled with, and its users' are not.
add_library(formwork_development INTERFACE)
target_link_libraries(formwork_development INTERFACE formwork::formwork)
target_compile_options(formwork_development INTERFACE -Wall -Wextra)
if(FORMWORK_WERROR)
  target_compile_options(formwork_development INTERFACE -Werror)
endif()

set(formwork_native_flags "")
if(FORMWORK_NATIVE)
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag(-march=native FORMWORK_HAS_MARCH_NATIVE)
  if(FORMWORK_HAS_MARCH_NATIVE)
    set(formwork_native_flags -march=native)
    target_compile_options(formwork_development INTERFACE -march=native)
  endif()
endif()

if(FORMWORK_SANITIZE)
  target_compile_options(formwork_development INTERFACE
    -fsanitize=${FORMWORK_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  # g++ cannot compare the addresses of constexpr op data while it instruments pointers.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND FORMWORK_SANITIZE MATCHES "undefined")
    target_compile_options(formwork_development INTERFACE -fno-sanitize=null,nonnull-attribute,returns-nonnull-attribute)
  endif()
  target_link_options(formwork_development INTERFACE -fsanitize=${FORMWORK_SANITIZE})
endif()
