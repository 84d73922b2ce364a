// Checks the tensors of one run against the declaration of their op.
#include <algorithm>
#include <memory>

#include "kernel.h"

namespace netc {
namespace {

const char* type_name(int type) {
  constexpr const char* names[] = {"undefined", "float", "uint8",  "int8", "uint16",  "int16",
                                   "int32",     "int64", "string", "bool", "float16", "double"};
  return type >= 0 && type < 12 ? names[type] : "of another type";
}

const Argument& find(const std::vector<Argument>& arguments, const char* name, int type) {
  for (const Argument& argument : arguments)
    if (argument.name == name && argument.type == type) return argument;
  throw std::logic_error(std::string("no ") + type_name(type) + " argument is declared as " + name);
}

// The name of the tensor at an index, for an error.
std::string label(const Argument& argument, size_t index) {
  return argument.name + (argument.count > 1 ? "[" + std::to_string(index - argument.first) + "]" : "");
}

}  // namespace

Context::Context(const Op& op, const Kernel& kernel, OrtKernelContext* context)
    : op_(op), context_(context), sizes_(op.sizes) {
  size_t count = 0;
  check(ort::KernelContext_GetInputCount(context_, &count));
  tensors_.resize(count);
  dims_.reserve(4 * count);
  for (size_t i = 0; i < count; ++i) read(i);
  for (const Argument& argument : op_.inputs)
    need(argument.optional || tensor(argument, 0), "input ", argument.name, " is left out; it is required");
  for (bool derived : {false, true}) {
    if (derived) kernel.derive(sizes_);
    for (size_t i = 0; i < count; ++i)
      if (tensors_[i].there && op_.is_derived(argument_at(op_.inputs, i)) == derived) check_shape(i);
  }
}

void Context::read(size_t index) {
  const OrtValue* value = nullptr;
  check(ort::KernelContext_GetInput(context_, index, &value));
  if (!value) return;
  const Argument& argument = argument_at(op_.inputs, index);
  OrtTensorTypeAndShapeInfo* info = nullptr;
  check(ort::GetTensorTypeAndShape(value, &info));
  const auto release = [](OrtTensorTypeAndShapeInfo* p) { ort::ReleaseTensorTypeAndShapeInfo(p); };
  const std::unique_ptr<OrtTensorTypeAndShapeInfo, decltype(release)> owned(info, release);
  int type = 0;
  check(ort::GetTensorElementType(info, &type));
  if (type != argument.type)
    need(false, "input ", label(argument, index), " is ", type_name(type), "; expected ", type_name(argument.type));
  Tensor& tensor = tensors_[index];
  tensor.there = true;
  tensor.begin = dims_.size();
  check(ort::GetDimensionsCount(info, &tensor.rank));
  dims_.resize(tensor.begin + tensor.rank);
  check(ort::GetDimensions(info, dims_.data() + tensor.begin, tensor.rank));
  void* data = nullptr;
  check(ort::GetTensorMutableData(const_cast<OrtValue*>(value), &data));
  tensor.data = data;
}

Shape Context::shape_of(const Tensor& tensor) const {
  return Shape(dims_.begin() + static_cast<int64_t>(tensor.begin),
               dims_.begin() + static_cast<int64_t>(tensor.begin + tensor.rank));
}

void Context::check_shape(size_t index) {
  const Argument& argument = argument_at(op_.inputs, index);
  const Tensor& tensor = tensors_[index];
  if (sizes_.match(argument.shape, dims_.data() + tensor.begin, tensor.rank, argument.name)) return;
  const Shape shape = shape_of(tensor);
  const bool empty = std::find(shape.begin(), shape.end(), 0) != shape.end();
  need(false, "input ", label(argument, index), " has shape ", shape, "; expected ", sizes_.text(argument.shape),
       empty && !argument.shape.may_be_empty() ? " without a size of 0" : "");
}

const Context::Tensor* Context::tensor(const Argument& argument, size_t index) const {
  const size_t place = argument.first + index;
  return place < tensors_.size() && tensors_[place].there ? &tensors_[place] : nullptr;
}

bool Context::has(const char* name) const { return tensor(find(op_.inputs, name, kType<float>), 0) != nullptr; }

const void* Context::input_data(const char* name, int type) const {
  const Tensor* found = tensor(find(op_.inputs, name, type), 0);
  return found ? found->data : nullptr;
}

const float* Context::input(const char* name, size_t index, int64_t any) const {
  const Argument& argument = find(op_.inputs, name, kType<float>);
  const Tensor* found = tensor(argument, index);
  if (!found) need(false, "input ", label(argument, argument.first + index), " is left out; it is required");
  const Shape shape = shape_of(*found), expected = sizes_.shape(argument.shape, any);
  if (shape != expected)
    need(false, "input ", label(argument, argument.first + index), " has shape ", shape, "; expected ", expected);
  return static_cast<const float*>(found->data);
}

void* Context::output_data(const char* name, int type, size_t index, int64_t any) const {
  const Argument& argument = find(op_.outputs, name, type);
  const Shape shape = sizes_.shape(argument.shape, any);
  elements(shape);
  const size_t place = argument.first + index;
  size_t count = 0;
  check(ort::KernelContext_GetOutputCount(context_, &count));
  OrtValue* value = nullptr;
  if (place < count) check(ort::KernelContext_GetOutput(context_, place, shape.data(), shape.size(), &value));
  need(value || argument.optional, "output ", argument.name, " is left out; it is required");
  if (!value) return nullptr;
  void* data = nullptr;
  check(ort::GetTensorMutableData(value, &data));
  return data;
}

}  // namespace netc
