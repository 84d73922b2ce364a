// GELU, exact or by tanh, and its gradient.
#include <algorithm>

#include "kernel.h"
#include "squash.h"

namespace netc {
namespace {

constexpr int64_t kChunk = 1 << 12;
constexpr float kCube = 0.044715f, kRoot = 0.79788456080286536f, kHalfRoot = 0.70710678118654752f,
                kDensity = 0.39894228040143268f;

// x Phi(x), and its derivative.
struct Exact {
  // Phi(x), with e = exp(-x^2 / 2): Abramowitz and Stegun 7.1.26, accurate to 1e-7.
  static Floats normal(Floats x, Floats e) {
    const Floats size = x < Floats{} ? -x : x, t = 1.0f / (1.0f + size * (0.3275911f * kHalfRoot));
    Floats p = all(1.061405429f);
    for (float a : {-1.453152027f, 1.421413741f, -0.284496736f, 0.254829592f}) p = p * t + a;
    const Floats beyond = 0.5f * e * (p * t);
    return x < Floats{} ? beyond : 1.0f - beyond;
  }
  static Floats value(Floats x) { return x * normal(x, exp_of(x * x * -0.5f)); }
  static Floats slope(Floats x) {
    const Floats e = exp_of(x * x * -0.5f);
    return normal(x, e) + x * (e * kDensity);
  }
};

struct ByTanh {
  static Floats squashed(Floats x) { return tanh_of((x + x * x * x * kCube) * kRoot); }
  static Floats value(Floats x) { return x * (0.5f * (1.0f + squashed(x))); }
  static Floats slope(Floats x) {
    const Floats t = squashed(x);
    return 0.5f * (1.0f + t) + x * (1.0f - t * t) * (1.0f + x * x * (3 * kCube)) * (0.5f * kRoot);
  }
};

// Calls each(i, lanes) for vectors of `size` elements.
template <class F>
void for_all(const Context& context, int64_t size, const F& each) {
  context.parallel_for((size + kChunk - 1) / kChunk, [&](size_t i) {
    const int64_t begin = static_cast<int64_t>(i) * kChunk;
    for_vectors(std::min(kChunk, size - begin), [&](int64_t j, auto lanes, Ints) { each(begin + j, lanes); });
  });
}

class Gelu : public Kernel {
 public:
  explicit Gelu(const Attributes& attributes)
      : tanh_(attributes.integer("tanh") != 0) {}

  void compute(const Context& context) const override {
    const float* x = context.input("x");
    float* y = context.output("y");
    const int64_t size = elements(context.sizes().leading());
    if (tanh_) {
      for_all(context, size, [&](int64_t i, auto lanes) { store(y + i, ByTanh::value(load(x + i, lanes)), lanes); });
    } else {
      for_all(context, size, [&](int64_t i, auto lanes) { store(y + i, Exact::value(load(x + i, lanes)), lanes); });
    }
  }

 private:
  bool tanh_;
};

class GeluGrad : public Kernel {
 public:
  explicit GeluGrad(const Attributes& attributes)
      : tanh_(attributes.integer("tanh") != 0) {}

  void compute(const Context& context) const override {
    const float *x = context.input("x"), *dy = context.input("dy");
    float* dx = context.output("dx");
    const int64_t size = elements(context.sizes().leading());
    const auto apply = [&](auto formula) {
      for_all(context, size, [&](int64_t i, auto lanes) {
        store(dx + i, load(dy + i, lanes) * decltype(formula)::slope(load(x + i, lanes)), lanes);
      });
    };
    if (tanh_) {
      apply(ByTanh{});
    } else {
      apply(Exact{});
    }
  }

 private:
  bool tanh_;
};

const Registration kGelu = op<Gelu>("Gelu").input("x", "...?").output("y", "...?");
const Registration kGeluGrad = op<GeluGrad>("GeluGrad").input("x", "...?").input("dy", "...?").output("dx", "...?");

}  // namespace
}  // namespace netc
