#pragma once

inline int warns(int unused) { return 1; }
