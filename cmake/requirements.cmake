# What a user of the headers needs, found in the same way by the build tree and by the installed package.
# Sets formwork_missing to a sentence if something is not there.
set(formwork_missing "")

if(NOT TARGET formwork_boost)
  add_library(formwork_boost INTERFACE IMPORTED GLOBAL)
  if(TARGET Boost::hana)
    target_link_libraries(formwork_boost INTERFACE Boost::hana)
  elseif(TARGET Boost::headers)
    target_link_libraries(formwork_boost INTERFACE Boost::headers)
  else()
    find_path(FORMWORK_BOOST_INCLUDE_DIR boost/hana.hpp
              HINTS ${BOOST_ROOT} ${Boost_ROOT} $ENV{BOOST_ROOT} PATH_SUFFIXES include
              DOC "Folder that holds boost/hana.hpp")
    mark_as_advanced(FORMWORK_BOOST_INCLUDE_DIR)
    if(FORMWORK_BOOST_INCLUDE_DIR)
      target_include_directories(formwork_boost SYSTEM INTERFACE ${FORMWORK_BOOST_INCLUDE_DIR})
    else()
      string(CONCAT formwork_missing "formwork needs the headers of Boost.Hana (boost/hana.hpp): install "
             "libboost-dev, or set BOOST_ROOT to the folder that holds include/boost.")
    endif()
  endif()
endif()

if(NOT TARGET formwork_openmp)
  add_library(formwork_openmp INTERFACE IMPORTED GLOBAL)
  if(NOT DEFINED FORMWORK_OPENMP OR FORMWORK_OPENMP)
    find_package(OpenMP QUIET COMPONENTS CXX GLOBAL)
    if(TARGET OpenMP::OpenMP_CXX)
      target_link_libraries(formwork_openmp INTERFACE OpenMP::OpenMP_CXX)
      target_compile_options(formwork_openmp INTERFACE $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=-fopenmp>)
    else()
      message(STATUS "formwork: ${CMAKE_CXX_COMPILER} has no OpenMP, so kernels run on one core "
                     "(g++ has it; clang needs the package libomp-dev)")
    endif()
  endif()
endif()
