#ifdef FORMWORK_TWIN
#error this fails, but nothing says with which text
#endif
