#include "gpu/record.cuh"

namespace formwork::testing {
run_record gpt_exact() { return record_run<training<gpt<tiny_gpt>, adamw, batch<2>, exact>>(); }
}  // namespace formwork::testing
