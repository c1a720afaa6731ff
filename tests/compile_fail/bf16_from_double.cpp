// A double does not become a bf16 unless the program says so.
// expect g++: conversion from 'double' to non-scalar type 'formwork::bf16' requested
// expect clang++: no viable conversion from 'double' to 'formwork::bf16'
#include <formwork/core/dtype.hpp>

#ifdef FORMWORK_TWIN
formwork::bf16 x = 1.0;
#else
formwork::bf16 x = formwork::bf16(1.0f);
#endif
