// Between kernels and onnxruntime's ABI, and the entry point of the library. No exception crosses it.
#include "kernel.h"

#include <cstring>
#include <exception>
#include <stdexcept>

const ort::Function* ort::api = nullptr;

namespace netc {

void check(OrtStatus* status) {
  if (!status) return;
  std::string message = ort::GetErrorMessage(static_cast<const OrtStatus*>(status));
  ort::ReleaseStatus(status);
  throw std::runtime_error(message);
}

int64_t Attributes::integer(const char* name) const {
  int64_t value = 0;
  check(ort::KernelInfoGetAttribute_int64(info_, name, &value));
  return value;
}

float Attributes::number(const char* name) const {
  float value = 0;
  check(ort::KernelInfoGetAttribute_float(info_, name, &value));
  return value;
}

Shape Attributes::extents(const char* name, size_t count, int64_t least) const {
  size_t found = 0;
  check(ort::KernelInfoGetAttributeArray_int64(info_, name, static_cast<int64_t*>(nullptr), &found));
  need(found == count, name, ": ", static_cast<int64_t>(count), " numbers are needed, there are ", static_cast<int64_t>(found));
  Shape values(count);
  check(ort::KernelInfoGetAttributeArray_int64(info_, name, values.data(), &found));
  for (int64_t value : values)
    need(value >= least && value <= kMostExtent, name, ": ", value, " is not between ", least, " and ", kMostExtent);
  return values;
}

std::string text(const Shape& shape) {
  std::string said = "(";
  for (int64_t d : shape) {
    if (said.size() > 1) said += ", ";
    said += d == kAny ? "any" : d == kSome ? "1 or more" : std::to_string(d);
  }
  return said + ")";
}

int64_t elements(const Shape& sizes, int64_t most) {
  int64_t product = 1;
  for (int64_t size : sizes) {
    need(size >= 0 && (size == 0 || product <= most / size), "a tensor of shape ", sizes, " is too large");
    product *= size;
  }
  return product;
}

Tensor<const float> Context::input_of_rank(size_t index, size_t rank) const {
  const auto found = tensor<float>(index, true);
  need(found.shape.size() >= rank, "input ", static_cast<int64_t>(index), " has shape ", found.shape, ": ", static_cast<int64_t>(rank),
       " dimensions or more are needed");
  return found;
}

float Context::number(size_t index) const {
  const auto found = tensor<float>(index, true);
  need(found.size() == 1, "input ", static_cast<int64_t>(index), " has shape ", found.shape, ": one number is needed");
  return *found.data;
}

void Context::check_shape(size_t index, const Shape& found, const Shape& asked) {
  bool fits = found.size() == asked.size();
  for (size_t i = 0; fits && i < asked.size(); ++i) fits = asked[i] == kAny || (asked[i] == kSome ? found[i] > 0 : found[i] == asked[i]);
  need(fits, "input ", static_cast<int64_t>(index), " has shape ", found, ", not ", asked);
}

const void* Context::input_data(size_t index, int type, Shape& shape, bool& there) const {
  size_t count = 0;
  check(ort::KernelContext_GetInputCount(context_, &count));
  const OrtValue* value = nullptr;
  if (index < count) check(ort::KernelContext_GetInput(context_, index, &value));
  there = value != nullptr;
  if (!value) return nullptr;
  OrtTensorTypeAndShapeInfo* info = nullptr;
  check(ort::GetTensorTypeAndShape(value, &info));
  std::unique_ptr<OrtTensorTypeAndShapeInfo, void (*)(OrtTensorTypeAndShapeInfo*)> owned(
      info, [](OrtTensorTypeAndShapeInfo* p) { ort::ReleaseTensorTypeAndShapeInfo(p); });
  int found = 0;
  check(ort::GetTensorElementType(info, &found));
  need(found == type, "input ", static_cast<int64_t>(index), " has elements of type ", int64_t{found}, ", not ", int64_t{type});
  size_t rank = 0;
  check(ort::GetDimensionsCount(info, &rank));
  shape.resize(rank);
  check(ort::GetDimensions(info, shape.data(), rank));
  void* data = nullptr;
  check(ort::GetTensorMutableData(const_cast<OrtValue*>(value), &data));
  return data;
}

void* Context::output_data(size_t index, const Shape& shape) const {
  elements(shape);
  size_t count = 0;
  check(ort::KernelContext_GetOutputCount(context_, &count));
  OrtValue* value = nullptr;
  if (index < count) check(ort::KernelContext_GetOutput(context_, index, shape.data(), shape.size(), &value));
  if (!value) return nullptr;
  void* data = nullptr;
  check(ort::GetTensorMutableData(value, &data));
  return data;
}

ScratchPool::Scratch ScratchPool::take(int64_t asked) {
  const size_t size = elements({asked});
  Piece piece;
  {
    std::lock_guard<std::mutex> held(lock_);
    if (!pieces_.empty()) {
      piece = std::move(pieces_.back());
      pieces_.pop_back();
    }
  }
  if (piece.size < size) {
    size_t bytes = (size * sizeof(float) + 63) / 64 * 64;
    piece.data.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (!piece.data) throw std::bad_alloc();
    piece.size = size;
  }
  return Scratch(*this, std::move(piece));
}

void ScratchPool::give_back(Piece piece) {
  std::lock_guard<std::mutex> held(lock_);
  pieces_.push_back(std::move(piece));
}

namespace {

const Op& self(const OrtCustomOp* op) { return *static_cast<const Op*>(op); }

// A kernel, and what to call it where it fails.
struct Named {
  const char* name;
  std::unique_ptr<Kernel> kernel;
};

template <class F>
OrtStatus* guarded(const char* name, const F& work) {
  try {
    work();
    return nullptr;
  } catch (const std::invalid_argument& e) {
    return ort::CreateStatus(ort::kInvalidArgument, (std::string(name) + ": " + e.what()).c_str());
  } catch (const std::exception& e) {
    return ort::CreateStatus(ort::kFail, (std::string(name) + ": " + e.what()).c_str());
  } catch (...) {
    return ort::CreateStatus(ort::kFail, name);
  }
}

OrtStatus* create(const OrtCustomOp* op, const ort::Function*, const OrtKernelInfo* info, void** kernel) {
  const char* name = self(op).name;
  return guarded(name, [&] { *kernel = new Named{name, std::unique_ptr<Kernel>(self(op).make(Attributes(info)))}; });
}

OrtStatus* compute(void* kernel, OrtKernelContext* context) {
  const Named& named = *static_cast<const Named*>(kernel);
  return guarded(named.name, [&] { named.kernel->compute(Context(context)); });
}

}  // namespace

Op::Op(const char* name, Make make, std::vector<int> inputs, std::vector<int> outputs, size_t required)
    : OrtCustomOp{}, name(name), make(make), inputs(std::move(inputs)), outputs(std::move(outputs)), required(required) {
  version = ort::kApiVersion;
  GetName = [](const OrtCustomOp* op) { return self(op).name; };
  GetExecutionProviderType = [](const OrtCustomOp*) -> const char* { return nullptr; };
  GetInputType = [](const OrtCustomOp* op, size_t i) { return self(op).inputs[i]; };
  GetInputTypeCount = [](const OrtCustomOp* op) { return self(op).inputs.size(); };
  GetOutputType = [](const OrtCustomOp* op, size_t i) { return self(op).outputs[i]; };
  GetOutputTypeCount = [](const OrtCustomOp* op) { return self(op).outputs.size(); };
  KernelDestroy = [](void* kernel) { delete static_cast<Named*>(kernel); };
  GetInputCharacteristic = [](const OrtCustomOp* op, size_t i) { return i < self(op).required ? ort::kRequired : ort::kOptional; };
  GetOutputCharacteristic = [](const OrtCustomOp*, size_t i) { return i ? ort::kOptional : ort::kRequired; };
  GetInputMemoryType = [](const OrtCustomOp*, size_t) { return 0; };
  GetVariadicInputMinArity = GetVariadicInputHomogeneity = [](const OrtCustomOp*) { return 1; };
  GetVariadicOutputMinArity = GetVariadicOutputHomogeneity = [](const OrtCustomOp*) { return 1; };
  CreateKernelV2 = create;
  KernelComputeV2 = netc::compute;
  GetStartVersion = [](const OrtCustomOp*) { return 1; };
  GetEndVersion = [](const OrtCustomOp*) { return 1; };
}

}  // namespace netc

extern "C" __attribute__((visibility("default"))) OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const ort::ApiBase* base) {
  ort::api = base->GetApi(ort::kApiVersion);
  if (!ort::api) std::abort();
  return netc::guarded("netc.training", [&] {
    static const std::vector<netc::Op> ops = [] {
      std::vector<netc::Op> all;
      for (auto family :
           {netc::convolution_ops, netc::pooling_ops, netc::elementwise_ops, netc::normalization_ops, netc::optimizer_ops,
            netc::lstm_ops, netc::gru_ops, netc::recursive_ops})
        for (const netc::Op& op : family()) all.push_back(op);
      return all;
    }();
    OrtCustomOpDomain* domain = nullptr;
    netc::check(ort::CreateCustomOpDomain("netc.training", &domain));
    for (const netc::Op& op : ops) netc::check(ort::CustomOpDomain_Add(domain, static_cast<const OrtCustomOp*>(&op)));
    netc::check(ort::AddCustomOpDomain(options, domain));
  });
}
