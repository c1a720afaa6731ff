#include "gpu/record.cuh"

namespace formwork::testing {
run_record gpt_f16() { return record_run<training<gpt<tiny_gpt>, adamw, batch<2>, tf32, mixed<dtype::f16>>>(); }
}  // namespace formwork::testing
