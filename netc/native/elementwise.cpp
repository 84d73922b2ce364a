// Elementwise ops.
#include <algorithm>

#include "kernel.h"

namespace netc {
namespace {

constexpr int64_t kChunk = 1 << 14;

// each(begin, end) over chunks of `size` elements.
template <class F>
void for_chunks(const Context& context, int64_t size, const F& each) {
  context.parallel_for((size + kChunk - 1) / kChunk, [&](size_t i) {
    const int64_t begin = static_cast<int64_t>(i) * kChunk;
    each(begin, std::min(size, begin + kChunk));
  });
}

// dx = dy where y > 0, else 0.
class ReluGrad : public Kernel {
 public:
  explicit ReluGrad(const Attributes&) {}
  void compute(const Context& context) const override {
    const auto y = context.input(0), dy = context.input(1);
    float* out = context.output(0, y.shape);
    for_chunks(context, y.size(), [&](int64_t begin, int64_t end) {
      const float *__restrict a = y.data, *__restrict g = dy.data;
      float* __restrict dx = out;
      for (int64_t i = begin; i < end; ++i) dx[i] = a[i] > 0.0f ? g[i] : 0.0f;
    });
  }
};

// x / (1 - ratio) where the uniform number is at least `ratio`, else 0.
class Dropout : public Kernel {
 public:
  explicit Dropout(const Attributes& attributes)
      : ratio_(attributes.number("ratio")), scale_(static_cast<float>(1.0 / (1.0 - static_cast<double>(ratio_)))) {}
  void compute(const Context& context) const override {
    const auto x = context.input(0), uniform = context.input(1);
    float* out = context.output(0, x.shape);
    for_chunks(context, x.size(), [&](int64_t begin, int64_t end) {
      const float *__restrict from = x.data, *__restrict u = uniform.data;
      float* __restrict y = out;
      const float ratio = ratio_, scale = scale_;
      for (int64_t i = begin; i < end; ++i) y[i] = from[i] * (u[i] >= ratio ? scale : 0.0f);
    });
  }

 private:
  float ratio_, scale_;
};

}  // namespace

std::vector<Op> elementwise_ops() {
  using ort::kFloat;
  return {
      Op("Dropout", make<Dropout>, {kFloat, kFloat}, {kFloat}, 2),
      Op("ReluGrad", make<ReluGrad>, {kFloat, kFloat}, {kFloat}, 2),
  };
}

}  // namespace netc
