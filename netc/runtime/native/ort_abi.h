// The part of onnxruntime's C ABI that a library of custom ops needs. The table of functions only grows at its end, so
// indices never change. The names are onnxruntime's.
#pragma once

#include <cstddef>
#include <cstdint>

struct OrtStatus;
struct OrtValue;
struct OrtKernelContext;
struct OrtKernelInfo;
struct OrtSessionOptions;
struct OrtCustomOpDomain;
struct OrtCustomOp;
struct OrtTensorTypeAndShapeInfo;

namespace ort {

using Function = void (*)();

struct ApiBase {
  const Function* (*GetApi)(uint32_t version);
  const char* (*GetVersionString)();
};

constexpr uint32_t kApiVersion = 20;
constexpr int kInvalidArgument = 2;
constexpr int kFail = 1;

// Element types of tensors.
constexpr int kFloat = 1;
constexpr int kUint8 = 2;
constexpr int kInt64 = 7;

// Characteristics of inputs.
constexpr int kRequired = 0;
constexpr int kOptional = 1;

extern const Function* api;

template <class Signature>
struct Entry {
  size_t index;
  template <class... Arguments>
  auto operator()(Arguments... arguments) const {
    return reinterpret_cast<Signature*>(api[index])(arguments...);
  }
};

using Work = void(void* user, size_t item);

constexpr Entry<OrtStatus*(int code, const char* message)> CreateStatus{0};
constexpr Entry<const char*(const OrtStatus*)> GetErrorMessage{2};
constexpr Entry<OrtStatus*(const char* domain, OrtCustomOpDomain**)> CreateCustomOpDomain{26};
constexpr Entry<OrtStatus*(OrtCustomOpDomain*, const OrtCustomOp*)> CustomOpDomain_Add{27};
constexpr Entry<OrtStatus*(OrtSessionOptions*, OrtCustomOpDomain*)> AddCustomOpDomain{28};
constexpr Entry<OrtStatus*(OrtValue*, void**)> GetTensorMutableData{51};
constexpr Entry<OrtStatus*(const OrtTensorTypeAndShapeInfo*, int*)> GetTensorElementType{60};
constexpr Entry<OrtStatus*(const OrtTensorTypeAndShapeInfo*, size_t*)> GetDimensionsCount{61};
constexpr Entry<OrtStatus*(const OrtTensorTypeAndShapeInfo*, int64_t*, size_t)> GetDimensions{62};
constexpr Entry<OrtStatus*(const OrtValue*, OrtTensorTypeAndShapeInfo**)> GetTensorTypeAndShape{65};
constexpr Entry<OrtStatus*(const OrtKernelInfo*, const char*, float*)> KernelInfoGetAttribute_float{85};
constexpr Entry<OrtStatus*(const OrtKernelInfo*, const char*, int64_t*)> KernelInfoGetAttribute_int64{86};
constexpr Entry<OrtStatus*(const OrtKernelContext*, size_t*)> KernelContext_GetInputCount{88};
constexpr Entry<OrtStatus*(const OrtKernelContext*, size_t*)> KernelContext_GetOutputCount{89};
constexpr Entry<OrtStatus*(const OrtKernelContext*, size_t, const OrtValue**)> KernelContext_GetInput{90};
constexpr Entry<OrtStatus*(OrtKernelContext*, size_t, const int64_t*, size_t, OrtValue**)> KernelContext_GetOutput{91};
constexpr Entry<void(OrtStatus*)> ReleaseStatus{93};
constexpr Entry<void(OrtTensorTypeAndShapeInfo*)> ReleaseTensorTypeAndShapeInfo{99};
constexpr Entry<OrtStatus*(const OrtKernelInfo*, const char*, int64_t*, size_t*)> KernelInfoGetAttributeArray_int64{163};
constexpr Entry<OrtStatus*(const OrtKernelContext*, Work*, size_t total, size_t batches, void* user)>
    KernelContext_ParallelFor{274};

}  // namespace ort

// One custom op, as onnxruntime expects it. The fields and their order are onnxruntime's.
struct OrtCustomOp {
  uint32_t version;
  void* (*CreateKernel)(const OrtCustomOp*, const ort::Function*, const OrtKernelInfo*);
  const char* (*GetName)(const OrtCustomOp*);
  const char* (*GetExecutionProviderType)(const OrtCustomOp*);
  int (*GetInputType)(const OrtCustomOp*, size_t);
  size_t (*GetInputTypeCount)(const OrtCustomOp*);
  int (*GetOutputType)(const OrtCustomOp*, size_t);
  size_t (*GetOutputTypeCount)(const OrtCustomOp*);
  void (*KernelCompute)(void*, OrtKernelContext*);
  void (*KernelDestroy)(void*);
  int (*GetInputCharacteristic)(const OrtCustomOp*, size_t);
  int (*GetOutputCharacteristic)(const OrtCustomOp*, size_t);
  int (*GetInputMemoryType)(const OrtCustomOp*, size_t);
  int (*GetVariadicInputMinArity)(const OrtCustomOp*);
  int (*GetVariadicInputHomogeneity)(const OrtCustomOp*);
  int (*GetVariadicOutputMinArity)(const OrtCustomOp*);
  int (*GetVariadicOutputHomogeneity)(const OrtCustomOp*);
  OrtStatus* (*CreateKernelV2)(const OrtCustomOp*, const ort::Function*, const OrtKernelInfo*, void**);
  OrtStatus* (*KernelComputeV2)(void*, OrtKernelContext*);
  OrtStatus* (*InferOutputShapeFn)(const OrtCustomOp*, void*);
  int (*GetStartVersion)(const OrtCustomOp*);
  int (*GetEndVersion)(const OrtCustomOp*);
  size_t (*GetMayInplace)(int**, int**);
  void (*ReleaseMayInplace)(int*, int*);
  size_t (*GetAliasMap)(int**, int**);
  void (*ReleaseAliasMap)(int*, int*);
};
