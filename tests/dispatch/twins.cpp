// What a step must not do, one sin per object: each is compiled with one of the names TWIN_<sin> defined,
// and check.sh must refuse it. With none of them it is as clean as a step.
#include <new>

namespace formwork {
struct observer {
  virtual void see(float) const = 0;
};
}  // namespace formwork

float one_step(float* x, [[maybe_unused]] formwork::observer const* watching, [[maybe_unused]] void (*called)(float)) {
#if defined(TWIN_virtual_call)
  watching->see(*x);
#endif
#if defined(TWIN_function_pointer)
  called(*x);
  *x = 2;
#endif
#if defined(TWIN_has_vtable)
  struct writer : formwork::observer {
    void see(float) const override {}
  };
  new (x) writer;
#endif
#if defined(TWIN_allocation)
  *reinterpret_cast<float**>(x) = new float(*x);
#endif
#if defined(TWIN_exception)
  if (*x < 0) throw *x;
#endif
  return *x * 2;
}
#if defined(TWIN_last_call)
void hand_over(void (*called)(float), float x) { called(x); }
#endif
