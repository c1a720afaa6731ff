// Compile errors as sentences: the first line that the compiler prints is the name of an incomplete type, such as
//   error::shapes_do_not_match<call::matmul, shape<2, 3>, shape<4, 5>>
// Modules and functions outside the library explain their own mistakes in the same way, with `require`.
#pragma once

namespace formwork {

// The call that an error is about. An elementwise operation stands for itself: ops::add.
namespace call {
struct matmul;
struct attend;
struct lookup;
struct reshape;
struct broadcast_to;
struct transpose;
struct slice;
struct split;
struct sum_over_parts;
struct concatenate;
struct squeeze;
struct unsqueeze;
struct sum;
struct maximum;
struct minimum;
struct mean;
struct variance;
struct log_sum_exp;
struct softmax;
struct log_softmax;
struct standardize;
struct divide_by_rms;
struct index_along;
struct gather;
struct pick;
struct cross_entropy;
struct replace_rows;
}  // namespace call

namespace error {

// What a number in an error means.
template <int Axis> struct axis;
template <long Index> struct first;
template <long Size> struct size;
template <long Parts> struct parts;
template <int... Axis> struct axes;
template <int Count> struct indices;
template <int Count> struct operands;

template <class Call, class... Shape> struct shapes_do_not_match;
template <class Call, class... Argument> struct element_types_do_not_match;     // cast one of them: cast<dtype::f32>(x)
template <class Call, class Given, class Wanted> struct wrong_number_of_operands;
template <class Call, class Shape, class Axis> struct axis_is_out_of_range;     // -1 is the last one
template <class Call, class Shape, class Axis> struct axis_is_not_of_size_one;
template <class Call, class From, class To> struct number_of_elements_differs;
template <class Call, class Shape, class Axes> struct axes_are_not_a_permutation;
template <class Call, class Shape, class Given> struct needs_one_index_per_axis;
template <class Call, class Shape, class Axis, class First, class Size> struct slice_is_out_of_range;
template <class Call, class Shape, class Axis, class Parts> struct axis_does_not_split_into_equal_parts;
template <class Call, class Given> struct needs_indices_of_type_i32;            // cast<dtype::i32>(x)
template <class Given, class Returned, class Block> struct repeated_block_changes_its_operand;
template <class Given, class Function> struct sum_over_parts_needs_a_scalar;    // of type f32: reshape<>(sum<>(x))
template <class Call, class Query, class Key> struct key_heads_do_not_divide_the_query_heads;
template <class Call, class Given, class Wanted> struct weight_of_a_probability_is_another_value;
template <class Module> struct module_has_no_reflection;                        // add BOOST_HANA_DEFINE_STRUCT(module, (type, member)...)
template <class Module> struct reflection_misses_a_member;                      // name it in BOOST_HANA_DEFINE_STRUCT
template <class Member> struct member_is_neither_parameter_nor_module;          // numbers belong in the type: static constexpr

}  // namespace error

namespace detail {
// Completing an incomplete error is the error.
template <bool Good, class Error> struct require_or {
  static constexpr bool value = true;
};
template <class Error> struct require_or<false, Error> {
  static constexpr bool value = sizeof(Error) > 0;
};
}  // namespace detail

// Use as: if constexpr (require<condition, error::x<...>>) ...
template <bool Good, class Error> inline constexpr bool require = detail::require_or<Good, Error>::value;

}  // namespace formwork
