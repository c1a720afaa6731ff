#include "gpu/record.cuh"

namespace formwork::testing {
run_record llama_exact() { return record_run<training<llama<tiny_llama>, adamw, batch<2>, exact>>(); }
}  // namespace formwork::testing
