inline int no_guard() { return 1; }
