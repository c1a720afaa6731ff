// expect: the second sentence
#ifdef FORMWORK_TWIN
static_assert(sizeof(int) == 0, "the first sentence");
static_assert(sizeof(int) == 1, "the second sentence");
#endif
