// Elementwise gradients and optimizer updates, in chunks of a fixed size so that threads do not change the result.
#include <algorithm>
#include <cmath>

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

// h' = momentum h + rate g; w' = w - h'.
class Sgd : public Kernel {
 public:
  explicit Sgd(const Attributes& attributes) : momentum_(attributes.number("momentum")) {}
  void compute(const Context& context) const override {
    const auto w = context.input(0), g = context.input(1), rate = context.input(2), h = context.input(3);
    float *new_w = context.output(0, w.shape), *new_h = context.output(1, w.shape);
    const float lr = *rate.data, momentum = momentum_;
    for_chunks(context, w.size(), [&](int64_t begin, int64_t end) {
      const float *__restrict ws = w.data, *__restrict gs = g.data, *__restrict hs = h.data;
      float *__restrict wn = new_w, *__restrict hn = new_h;
      for (int64_t i = begin; i < end; ++i) {
        hn[i] = momentum * hs[i] + lr * gs[i];
        wn[i] = ws[i] - hn[i];
      }
    });
  }

 private:
  float momentum_;
};

// m' = b1 m + (1 - b1) g; v' = b2 v + (1 - b2) g^2; w' = w - rate sqrt(1 - b2^t) / (1 - b1^t) m' / (sqrt(v') + delta).
class Adam : public Kernel {
 public:
  explicit Adam(const Attributes& attributes)
      : momentum_(attributes.number("momentum")), momentum2_(attributes.number("momentum2")), delta_(attributes.number("delta")) {}
  void compute(const Context& context) const override {
    const auto w = context.input(0), g = context.input(1), rate = context.input(2), m = context.input(3), v = context.input(4);
    const float step = *context.input(5).data, b1 = momentum_, b2 = momentum2_, delta = delta_;
    const float lr = *rate.data * std::sqrt(1.0f - std::pow(b2, step)) / (1.0f - std::pow(b1, step));
    float *new_w = context.output(0, w.shape), *new_m = context.output(1, w.shape), *new_v = context.output(2, w.shape);
    for_chunks(context, w.size(), [&](int64_t begin, int64_t end) {
      const float *__restrict ws = w.data, *__restrict gs = g.data, *__restrict ms = m.data, *__restrict vs = v.data;
      float *__restrict wn = new_w, *__restrict mn = new_m, *__restrict vn = new_v;
      for (int64_t i = begin; i < end; ++i) {
        mn[i] = b1 * ms[i] + (1.0f - b1) * gs[i];
        vn[i] = b2 * vs[i] + (1.0f - b2) * gs[i] * gs[i];
        wn[i] = ws[i] - lr * mn[i] / (std::sqrt(vn[i]) + delta);
      }
    });
  }

 private:
  float momentum_, momentum2_, delta_;
};

}  // namespace

std::vector<Op> elementwise_ops() {
  using ort::kFloat;
  return {
      Op("ReluGrad", make<ReluGrad>, {kFloat, kFloat}, {kFloat}, 2),
      Op("SGD", make<Sgd>, {kFloat, kFloat, kFloat, kFloat}, {kFloat, kFloat}, 4),
      Op("Adam", make<Adam>, {kFloat, kFloat, kFloat, kFloat, kFloat, kFloat}, {kFloat, kFloat, kFloat}, 6),
  };
}

}  // namespace netc
