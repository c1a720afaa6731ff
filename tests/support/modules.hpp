// Modules and inputs of small programs.
#pragma once

#include "formwork/trace/trace.hpp"

namespace formwork::testing {

struct nothing {};
template <class A> struct one {
  using a_t = parameter<A>;
  BOOST_HANA_DEFINE_STRUCT(one, (a_t, a));
};
template <class A, class B> struct two {
  using a_t = parameter<A>;
  using b_t = parameter<B>;
  BOOST_HANA_DEFINE_STRUCT(two, (a_t, a), (b_t, b));
};
template <class A, class B, class C> struct three {
  using a_t = parameter<A>;
  using b_t = parameter<B>;
  using c_t = parameter<C>;
  BOOST_HANA_DEFINE_STRUCT(three, (a_t, a), (b_t, b), (c_t, c));
};
template <class A, class B, class C, class D> struct four {
  using a_t = parameter<A>;
  using b_t = parameter<B>;
  using c_t = parameter<C>;
  using d_t = parameter<D>;
  BOOST_HANA_DEFINE_STRUCT(four, (a_t, a), (b_t, b), (c_t, c), (d_t, d));
};
// Of B sequences: Tq queries in H heads, Tk keys and values in G, D columns.
template <long B, long Tq, long H, long Tk, long G, long D> using heads_of = three<shape<B, Tq, H, D>, shape<B, Tk, G, D>, shape<B, Tk, G, D>>;
template <long B, long Tq, long H, long Tk, long G, long D, class Table> using heads_and_table = four<shape<B, Tq, H, D>, shape<B, Tk, G, D>, shape<B, Tk, G, D>, Table>;
template <class X> struct numbers {
  using x_t = input<dtype::f32, X>;
  BOOST_HANA_DEFINE_STRUCT(numbers, (x_t, x));
};
template <class I> struct indices {
  using i_t = input<dtype::i32, I>;
  BOOST_HANA_DEFINE_STRUCT(indices, (i_t, i));
};

}  // namespace formwork::testing
