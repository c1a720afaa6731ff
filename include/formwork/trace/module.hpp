// Modules are plain structs whose members are parameters or modules, made visible by BOOST_HANA_DEFINE_STRUCT.
// Binding walks the members, gives each parameter its node, and builds its name: "blocks.*.up.weight".
#pragma once

#include <boost/hana/accessors.hpp>
#include <boost/hana/define_struct.hpp>
#include <boost/hana/first.hpp>
#include <boost/hana/for_each.hpp>
#include <boost/hana/second.hpp>
#include <boost/hana/string.hpp>

#include "loop.hpp"

namespace formwork {

// How a parameter starts.
struct zeros { static constexpr initial start = initial::zeros; static constexpr double scale = 0; };
struct ones { static constexpr initial start = initial::ones; static constexpr double scale = 1; };
// Normal with standard deviation 0.02, as in GPT-2 (Radford et al. 2019).
struct normal_02 { static constexpr initial start = initial::normal; static constexpr double scale = 0.02; };

// A trained tensor. Matrices decay, vectors do not, unless said otherwise.
template <class Shape, class Initial = normal_02, bool Decays = (Shape::rank >= 2)>
struct parameter : value<dtype::f32, Shape> {
  static constexpr parameter_info describe() {
    parameter_info p;
    p.shape = Shape::value;
    p.start = Initial::start;
    p.scale = Initial::scale;
    p.decays = Decays;
    return p;
  }
};

// A tensor that the caller fills before each step.
template <dtype Type, class Shape> struct input : value<Type, Shape> {
  static constexpr input_info describe() {
    input_info i;
    i.shape = Shape::value;
    i.type = Type;
    return i;
  }
};

// Gives an input its node and its name.
template <dtype Type, class Shape> constexpr void add_input(graph& g, input<Type, Shape>& to, name_text name) {
  input_info i = input<Type, Shape>::describe();
  i.name = name;
  node n{.what = kind::input, .type = i.type, .shape = i.shape};
  n.attribute[0] = static_cast<int>(g.inputs.size());
  i.node = g.push_here(n);
  to.g = &g;
  to.id = i.node;
  g.inputs.push_back(i);
}

namespace detail {

template <class T> inline constexpr bool is_parameter = false;
template <class S, class I, bool D> inline constexpr bool is_parameter<parameter<S, I, D>> = true;
template <class T> inline constexpr bool is_input = false;
template <dtype T, class S> inline constexpr bool is_input<input<T, S>> = true;
template <class T> inline constexpr bool is_repeat = requires { T::repeat_count; };

constexpr name_text join(name_text prefix, std::string_view member) {
  if (!prefix.empty()) prefix.append(".");
  prefix.append(member);
  return prefix;
}

// The part of a struct that its reflection does not name: less than one parameter, or a member was forgotten.
template <class Module> constexpr std::size_t unreflected_bytes() {
  std::size_t named = 0;
  boost::hana::for_each(boost::hana::accessors<Module>(), [&](auto const& member) {
    using type = std::remove_cvref_t<decltype(boost::hana::second(member)(std::declval<Module&>()))>;
    named += std::is_empty_v<type> ? 0 : sizeof(type);
  });
  return sizeof(Module) - named;
}

template <class Module> constexpr void bind(graph& g, Module& m, name_text name) {
  if constexpr (is_parameter<Module>) {
    parameter_info p = Module::describe();
    p.name = name;
    for (int s = g.scope; s != 0; s = g.scopes[static_cast<std::size_t>(s)].parent)
      p.copies *= g.scopes[static_cast<std::size_t>(s)].count;
    node n{.what = kind::parameter, .type = p.type, .shape = p.shape};
    n.attribute[0] = static_cast<int>(g.parameters.size());
    p.node = g.push_here(n);
    m.g = &g;
    m.id = p.node;
    g.parameters.push_back(p);
  } else if constexpr (is_input<Module>) {
    add_input(g, m, name);
  } else if constexpr (is_repeat<Module>) {
    m.scope = g.begin_loop(Module::repeat_count);
    bind(g, m.block, join(name, "*"));
    g.end_scope();
  } else if constexpr (boost::hana::Struct<Module>::value) {
    static_assert(require<unreflected_bytes<Module>() < sizeof(value<dtype::f32, shape<>>), error::reflection_misses_a_member<Module>>);
    boost::hana::for_each(boost::hana::accessors<Module>(), [&](auto const& member) {
      bind(g, boost::hana::second(member)(m), join(name, boost::hana::first(member).c_str()));
    });
  } else {
    static_assert(require<std::is_class_v<Module>, error::member_is_neither_parameter_nor_module<Module>>);
    static_assert(require<std::is_empty_v<Module>, error::module_has_no_reflection<Module>>);
  }
}

}  // namespace detail

// Number of trained scalars of a module, known while it compiles.
template <class Module> struct parameter_table {
  static constexpr long count() {
    graph g;
    Module m{};
    detail::bind(g, m, {});
    long n = 0;
    for (auto const& p : g.parameters) n += p.elements();
    return n;
  }
};
template <class Module> inline constexpr long parameter_count = parameter_table<Module>::count();

}  // namespace formwork
