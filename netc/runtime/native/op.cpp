// Presents declared ops to onnxruntime. No exception crosses the ABI.
#include "op.h"

#include <sstream>

#include "kernel.h"

namespace netc {
namespace {

const Op& self(const OrtCustomOp* op) { return *static_cast<const Op*>(op); }

// A kernel of a node, with its op.
struct Node {
  const Op& op;
  std::unique_ptr<Kernel> kernel;
};

template <class F>
OrtStatus* guarded(const Op& op, const F& work) {
  const auto status = [&](int code, const char* message) {
    return ort::CreateStatus(code, (op.name + ": " + message).c_str());
  };
  try {
    work();
    return nullptr;
  } catch (const std::invalid_argument& e) {
    return status(ort::kInvalidArgument, e.what());
  } catch (const std::exception& e) {
    return status(ort::kFail, e.what());
  } catch (...) {
    return status(ort::kFail, "an unknown error");
  }
}

OrtStatus* create(const OrtCustomOp* op, const ort::Function*, const OrtKernelInfo* info, void** kernel) {
  return guarded(self(op), [&] { *kernel = new Node{self(op), self(op).make(Attributes(info))}; });
}

OrtStatus* compute(void* kernel, OrtKernelContext* context) {
  const Node& node = *static_cast<const Node*>(kernel);
  return guarded(node.op, [&] { node.kernel->compute(Context(node.op, *node.kernel, context)); });
}

size_t count_of(const std::vector<Argument>& arguments) {
  return arguments.empty() ? 0 : arguments.back().first + arguments.back().count;
}

int characteristic(const Argument& argument) { return argument.optional ? ort::kOptional : ort::kRequired; }

std::string json(const std::vector<Argument>& arguments) {
  std::ostringstream out;
  for (const Argument& a : arguments)
    out << (&a == arguments.data() ? "" : ", ") << "{\"name\": \"" << a.name << "\", \"type\": " << a.type
        << ", \"shape\": \"" << a.shape.text << "\", \"optional\": " << (a.optional ? "true" : "false")
        << ", \"count\": " << a.count << "}";
  return "[" + out.str() + "]";
}

}  // namespace

Op::Op(const char* name, Make make)
    : OrtCustomOp{}, name(name), make(make) {
  version = ort::kApiVersion;
  GetName = [](const OrtCustomOp* op) { return self(op).name.c_str(); };
  GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  GetInputType = [](const OrtCustomOp* op, size_t i) { return argument_at(self(op).inputs, i).type; };
  GetInputTypeCount = [](const OrtCustomOp* op) { return count_of(self(op).inputs); };
  GetOutputType = [](const OrtCustomOp* op, size_t i) { return argument_at(self(op).outputs, i).type; };
  GetOutputTypeCount = [](const OrtCustomOp* op) { return count_of(self(op).outputs); };
  KernelDestroy = [](void* kernel) { delete static_cast<Node*>(kernel); };
  GetInputCharacteristic = [](const OrtCustomOp* op, size_t i) { return characteristic(argument_at(self(op).inputs, i)); };
  GetOutputCharacteristic = [](const OrtCustomOp* op, size_t i) { return characteristic(argument_at(self(op).outputs, i)); };
  GetInputMemoryType = [](const OrtCustomOp*, size_t) { return 0; };
  GetVariadicInputMinArity = GetVariadicInputHomogeneity = [](const OrtCustomOp*) { return 1; };
  GetVariadicOutputMinArity = GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 1; };
  CreateKernelV2 = create;
  KernelComputeV2 = netc::compute;
  GetStartVersion = [](const OrtCustomOp*) { return 1; };
  GetEndVersion = [](const OrtCustomOp*) { return 1; };
}

Op& Op::add(std::vector<Argument>& to, const char* name, int type, const char* shape, bool optional, size_t count) {
  to.push_back({name, type, Pattern(shape, sizes), optional, count, count_of(to)});
  return *this;
}

Op& Op::derived(const char* names) {
  derived_ |= Pattern(names, sizes).names;
  return *this;
}

std::string Op::description() const {
  std::string names;
  for (size_t i = 0; i < sizes.size(); ++i)
    if (derived_ >> i & 1) names += (names.empty() ? "\"" : ", \"") + sizes[i] + "\"";
  return "{\"op\": \"" + name + "\", \"domain\": \"" + kDomain + "\", \"inputs\": " + json(inputs) +
         ", \"outputs\": " + json(outputs) + ", \"derived\": [" + names + "]}";
}

const Argument& argument_at(const std::vector<Argument>& arguments, size_t index) {
  for (const Argument& argument : arguments)
    if (index < argument.first + argument.count) return argument;
  throw std::invalid_argument("there are more tensors than the op declares");
}

std::deque<Op>& registry() {
  static std::deque<Op> ops;
  return ops;
}

}  // namespace netc
