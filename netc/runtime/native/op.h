// The declaration of an op: its kernel, its inputs and outputs by name, their types and shapes.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "ort_abi.h"
#include "pattern.h"

namespace netc {

class Attributes;
class Context;

constexpr const char* kDomain = "netc.training";

class Kernel {
 public:
  virtual ~Kernel() = default;
  // Sets the sizes that the op declares as derived, from attributes and from the sizes of its other inputs.
  virtual void derive(Sizes&) const {}
  // May run on several threads at the same time.
  virtual void compute(const Context& context) const = 0;
};

// onnxruntime's number for an element type.
template <class T>
constexpr int kType = ort::kFloat;
template <>
inline constexpr int kType<uint8_t> = ort::kUint8;
template <>
inline constexpr int kType<int64_t> = ort::kInt64;

// One input or output, or `count` of them under one name.
struct Argument {
  std::string name;
  int type;
  Pattern shape;
  bool optional;
  size_t count, first;  // index of the first
};

class Op : public OrtCustomOp {
 public:
  using Make = std::unique_ptr<Kernel> (*)(const Attributes&);
  Op(const char* name, Make make);

  // The declaration. pattern.h defines the syntax of shapes.
  template <class T = float>
  Op& input(const char* name, const char* shape) {
    return add(inputs, name, kType<T>, shape, false, 1);
  }
  template <class T = float>
  Op& optional_input(const char* name, const char* shape, size_t count = 1) {
    return add(inputs, name, kType<T>, shape, true, count);
  }
  template <class T = float>
  Op& output(const char* name, const char* shape) {
    return add(outputs, name, kType<T>, shape, false, 1);
  }
  template <class T = float>
  Op& optional_output(const char* name, const char* shape, size_t count = 1) {
    return add(outputs, name, kType<T>, shape, true, count);
  }
  // Names of sizes that Kernel::derive sets. Inputs with such a size are checked afterwards.
  Op& derived(const char* names);

  // The declaration as JSON.
  std::string description() const;

  std::string name;
  Make make;
  std::vector<Argument> inputs, outputs;
  std::vector<std::string> sizes;
  // Whether the shape of an argument has a derived size.
  bool is_derived(const Argument& argument) const { return (argument.shape.names & derived_) != 0; }

 private:
  Op& add(std::vector<Argument>& to, const char* name, int type, const char* shape, bool optional, size_t count);
  uint64_t derived_ = 0;  // one bit per name
};

// The argument that the tensor at `index` belongs to.
const Argument& argument_at(const std::vector<Argument>& arguments, size_t index);

// Starts the declaration of an op whose kernel is K.
template <class K>
Op op(const char* name) {
  return Op(name, [](const Attributes& attributes) -> std::unique_ptr<Kernel> { return std::make_unique<K>(attributes); });
}

// All ops of the library. A Registration next to each kernel adds its op.
std::deque<Op>& registry();
struct Registration {
  Registration(const Op& op) { registry().push_back(op); }  // NOLINT: implicit, so that a declaration is enough
};

}  // namespace netc
