// The two functions of the library: one registers the ops with onnxruntime, one describes them.
#include <string>

#include "kernel.h"

#define NETC_EXPORT extern "C" __attribute__((visibility("default")))

const ort::Function* ort::api = nullptr;

NETC_EXPORT OrtStatus* RegisterCustomOps(OrtSessionOptions* options, const ort::ApiBase* base) {
  ort::api = base->GetApi(ort::kApiVersion);
  if (!ort::api) {
    ort::api = base->GetApi(1);
    return ort::CreateStatus(ort::kFail, "netc's kernels need a newer onnxruntime");
  }
  try {
    OrtCustomOpDomain* domain = nullptr;
    netc::check(ort::CreateCustomOpDomain(netc::kDomain, &domain));
    for (const netc::Op& op : netc::registry())
      netc::check(ort::CustomOpDomain_Add(domain, static_cast<const OrtCustomOp*>(&op)));
    netc::check(ort::AddCustomOpDomain(options, domain));
    return nullptr;
  } catch (const std::exception& e) {
    return ort::CreateStatus(ort::kFail, e.what());
  }
}

// A JSON list of the ops that this library has kernels for.
NETC_EXPORT const char* NetcDescribeOps() {
  static const std::string description = [] {
    std::string all;
    for (const netc::Op& op : netc::registry()) all += (all.empty() ? "" : ",\n ") + op.description();
    return "[" + all + "]";
  }();
  return description.c_str();
}
