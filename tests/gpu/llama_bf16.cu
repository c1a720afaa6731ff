#include "gpu/record.cuh"

namespace formwork::testing {
run_record llama_bf16() { return record_run<training<llama<tiny_llama>, adamw, batch<2>, tf32, mixed<dtype::bf16>>>(); }
}  // namespace formwork::testing
