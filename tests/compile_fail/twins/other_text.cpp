// expect: the wrong shape
#ifdef FORMWORK_TWIN
#error this fails for another reason
#endif
