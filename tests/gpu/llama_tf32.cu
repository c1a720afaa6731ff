#include "gpu/record.cuh"

namespace formwork::testing {
run_record llama_tf32() { return record_run<training<llama<tiny_llama>, adamw, batch<2>, tf32>>(); }
}  // namespace formwork::testing
