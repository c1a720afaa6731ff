# nvcc, where one is found that can compile the headers: formwork_nvcc is its path, or empty, and then formwork_no_nvcc says why.
# CMAKE_CUDA_COMPILER names one.
set(formwork_least_nvcc 12.4)

# Sets RESULT to false, and the reason as a global property, for a compiler that is too old.
function(formwork_accept_nvcc result path)
  execute_process(COMMAND ${path} --version OUTPUT_VARIABLE said ERROR_QUIET)
  if(NOT said MATCHES "release ([0-9]+\\.[0-9]+)")
    set(reason "${path} does not say which release it is")
  elseif(CMAKE_MATCH_1 VERSION_LESS formwork_least_nvcc)
    set(reason "${path} is of release ${CMAKE_MATCH_1}, which cannot compile the headers")
  else()
    return()
  endif()
  set(${result} FALSE PARENT_SCOPE)
  set_property(GLOBAL PROPERTY formwork_no_nvcc "${reason}")
endfunction()

set_property(GLOBAL PROPERTY formwork_no_nvcc "nvcc was not found")
if(CMAKE_CUDA_COMPILER)
  set(formwork_nvcc ${CMAKE_CUDA_COMPILER})
else()
  find_program(FORMWORK_NVCC nvcc PATHS /usr/local/cuda/bin /opt/cuda/bin VALIDATOR formwork_accept_nvcc
               DOC "The CUDA Toolkit's compiler")
  set(formwork_nvcc ${FORMWORK_NVCC})
endif()
if(formwork_nvcc)
  set(formwork_nvcc_accepted TRUE)
  formwork_accept_nvcc(formwork_nvcc_accepted ${formwork_nvcc})
endif()
if(NOT formwork_nvcc OR NOT formwork_nvcc_accepted)
  set(formwork_nvcc "")
endif()
get_property(formwork_no_nvcc GLOBAL PROPERTY formwork_no_nvcc)
