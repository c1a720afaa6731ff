// Compile errors as sentences: the name of an incomplete type is the first line that the compiler prints.
#pragma once

namespace formwork::error {

template <class Call, class... Shape> struct shapes_do_not_match;                  // Call says which function
template <class Call, class... Argument> struct element_types_do_not_match;        // cast one of them: cast<dtype::f32>(x)
template <class Call, class Shape, int Axis> struct axis_out_of_range;
template <class Call, class From, class To> struct number_of_elements_differs;
template <class Call, class Shape> struct needs_more_axes;
template <class Call, class Shape, long First, long Size, int Axis> struct slice_out_of_range;
template <class Call, class Shape> struct condition_is_not_boolean;
template <class Call, class Type> struct needs_integer_indices;
template <class Call, class Type> struct argument_is_not_a_traced_value;
template <class Module> struct module_has_no_reflection;  // add BOOST_HANA_DEFINE_STRUCT(module, (type, member)...)

}  // namespace formwork::error

namespace formwork::detail {
// Naming `type` of an incomplete error is the error.
template <bool Good, class Error> struct require_or {
  static constexpr bool value = true;
};
template <class Error> struct require_or<false, Error> {
  static constexpr bool value = sizeof(Error) > 0;
};
// Use as: if constexpr (require<condition, error::x<...>>) ...
template <bool Good, class Error> inline constexpr bool require = require_or<Good, Error>::value;
}  // namespace formwork::detail
