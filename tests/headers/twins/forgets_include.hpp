#pragma once

inline std::vector<int> forgets_include() { return {}; }
