// expect: an error that never comes
#ifdef FORMWORK_TWIN
int nothing_wrong();
#endif
