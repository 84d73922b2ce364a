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

// out[i] = f(first[i], second[i]) for `size` elements.
template <class F>
void map_pairs(const Context& context, int64_t size, const float* first, const float* second, float* out, const F& f) {
  for_chunks(context, size, [&](int64_t begin, int64_t end) {
    const float* __restrict a = first, * __restrict b = second;
    float* __restrict y = out;
    const F each = f;
    for (int64_t i = begin; i < end; ++i) y[i] = each(a[i], b[i]);
  });
}

// dx = dy where y > 0, else 0.
class ReluGrad : public Kernel {
 public:
  explicit ReluGrad(const Attributes&) {}
  void compute(const Context& context) const override {
    map_pairs(context, elements(context.sizes().leading()), context.input("y"), context.input("dy"), context.output("dx"),
              [](float y, float dy) { return y > 0.0f ? dy : 0.0f; });
  }
};

const Registration kReluGrad = op<ReluGrad>("ReluGrad").input("y", "...?").input("dy", "...?").output("dx", "...?");

// y = x / (1 - ratio) if the uniform number is at least `ratio`, else 0.
class Dropout : public Kernel {
 public:
  explicit Dropout(const Attributes& attributes)
      : ratio_(attributes.number("ratio")), scale_(static_cast<float>(1.0 / (1.0 - static_cast<double>(ratio_)))) {}
  void compute(const Context& context) const override {
    map_pairs(context, elements(context.sizes().leading()), context.input("x"), context.input("uniform"),
              context.output("y"),
              [ratio = ratio_, scale = scale_](float x, float uniform) { return x * (uniform >= ratio ? scale : 0.0f); });
  }

 private:
  float ratio_, scale_;
};

const Registration kDropout = op<Dropout>("Dropout").input("x", "...?").input("uniform", "...?").output("y", "...?");

}  // namespace
}  // namespace netc
