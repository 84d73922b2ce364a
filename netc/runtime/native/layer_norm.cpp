// Normalization of rows, (..., C): by mean and variance, or by the mean square alone. Sums over rows are split into
// chunks of a fixed size that are added in order, so the number of threads does not change the result.
#include <cmath>

#include "rows.h"
#include "squash.h"

namespace netc {
namespace {

// The mean of a row, or 0, and 1 / sqrt(mean of (x - mean)^2 + epsilon).
struct Moments {
  float mean = 0, inverse = 0;

  template <bool centred>
  static Moments of(const float* x, int64_t c, float epsilon) {
    const float share = 1.0f / static_cast<float>(c);
    Moments m;
    if constexpr (centred) {
      Floats sum = {};
      for_vectors(c, [&](int64_t j, auto lanes, Ints fresh) { sum += only(load(x + j, lanes), fresh); });
      m.mean = sum_of_lanes(sum) * share;
    }
    Floats squares = {};
    for_vectors(c, [&](int64_t j, auto lanes, Ints fresh) {
      const Floats d = load(x + j, lanes) - m.mean;
      if constexpr (std::is_same_v<decltype(lanes), Whole>) {
        squares += only(d * d, fresh);
      } else {
        squares += only(d * d, ~lanes_from(lanes));
      }
    });
    m.inverse = 1.0f / std::sqrt(sum_of_lanes(squares) * share + epsilon);
    return m;
  }
};

// y = (x - mean) / sqrt(variance + epsilon) scale + bias.
template <bool centred>
class RowNorm : public Kernel {
 public:
  explicit RowNorm(const Attributes& attributes)
      : epsilon_(attributes.number("epsilon")) {}

  void compute(const Context& context) const override {
    const float *x = context.input("x"), *scale = context.input("scale"), *bias = nullptr;
    if constexpr (centred) bias = context.input("bias");
    float* y = context.output("y");
    const Rows of(context);
    const int64_t c = of.channels;
    context.parallel_for(of.chunks(), [&](size_t i) {
      for (int64_t r = of.begin(i); r < of.begin(i) + of.count(i); ++r) {
        const float* from = x + r * c;
        const Moments m = Moments::of<centred>(from, c, epsilon_);
        for_vectors(c, [&](int64_t j, auto lanes, Ints) {
          Floats v = (load(from + j, lanes) - m.mean) * m.inverse;
          if (scale) v *= load(scale + j, lanes);
          if (bias) v += load(bias + j, lanes);
          store(y + r * c + j, v, lanes);
        });
      }
    });
  }

 private:
  float epsilon_;
};

// The gradients with respect to x, scale and bias.
template <bool centred>
class RowNormGrad : public Kernel {
 public:
  explicit RowNormGrad(const Attributes& attributes)
      : epsilon_(attributes.number("epsilon")) {}

  void compute(const Context& context) const override {
    const float *dy = context.input("dy"), *x = context.input("x"), *scale = context.input("scale");
    float *dx = context.output("dx"), *dscale = context.output("dscale"), *dbias = nullptr;
    if constexpr (centred) dbias = context.output("dbias");
    const Rows of(context);
    const int64_t c = of.channels;
    const auto parts = parts_.take(2 * of.chunks() * c);
    context.parallel_for(of.chunks(), [&](size_t i) {
      float* sums = parts.data() + 2 * i * c;
      std::fill_n(sums, 2 * c, 0.0f);
      for (int64_t r = of.begin(i); r < of.begin(i) + of.count(i); ++r)
        row(dy + r * c, x + r * c, scale, c, dx + r * c, sums);
    });
    for (int64_t k = 0; k < c; ++k) {
      double by_scale = 0, by_bias = 0;
      for (int64_t i = 0; i < of.chunks(); ++i) {
        by_scale += parts.data()[2 * i * c + k];
        by_bias += parts.data()[(2 * i + 1) * c + k];
      }
      if (dscale) dscale[k] = static_cast<float>(by_scale);
      if (dbias) dbias[k] = static_cast<float>(by_bias);
    }
  }

 private:
  // dx = (g - mean(g) - v mean(g v)) / std with v = (x - mean) / std and g = dy scale. Adds to the sums of dy v and dy.
  void row(const float* dy, const float* x, const float* scale, int64_t c, float* dx, float* sums) const {
    const Moments m = Moments::of<centred>(x, c, epsilon_);
    Floats plain = {}, product = {};
    const auto scaled = [&](int64_t j, auto lanes) {
      const Floats g = load(dy + j, lanes);
      return scale ? g * load(scale + j, lanes) : g;
    };
    for_vectors(c, [&](int64_t j, auto lanes, Ints fresh) {
      const Floats g = scaled(j, lanes), v = (load(x + j, lanes) - m.mean) * m.inverse, d = load(dy + j, lanes);
      plain += only(g, fresh);
      product += only(g * v, fresh);
      store(sums + j, load(sums + j, lanes) + only(d * v, fresh), lanes);
      store(sums + c + j, load(sums + c + j, lanes) + only(d, fresh), lanes);
    });
    const float share = 1.0f / static_cast<float>(c);
    const float level = centred ? sum_of_lanes(plain) * share : 0.0f, slope = sum_of_lanes(product) * share;
    for_vectors(c, [&](int64_t j, auto lanes, Ints) {
      const Floats v = (load(x + j, lanes) - m.mean) * m.inverse;
      store(dx + j, (scaled(j, lanes) - level - v * slope) * m.inverse, lanes);
    });
  }

  float epsilon_;
  mutable ScratchPool parts_;
};

const Registration kLayerNorm = op<RowNorm<true>>("LayerNorm")
                                    .input("x", "... C")
                                    .optional_input("scale", "C")
                                    .optional_input("bias", "C")
                                    .output("y", "... C");
const Registration kRmsNorm =
    op<RowNorm<false>>("RMSNorm").input("x", "... C").optional_input("scale", "C").output("y", "... C");
const Registration kLayerNormGrad = op<RowNormGrad<true>>("LayerNormGrad")
                                        .input("dy", "... C")
                                        .input("x", "... C")
                                        .optional_input("scale", "C")
                                        .output("dx", "... C")
                                        .optional_output("dscale", "C")
                                        .optional_output("dbias", "C");
const Registration kRmsNormGrad = op<RowNormGrad<false>>("RMSNormGrad")
                                      .input("dy", "... C")
                                      .input("x", "... C")
                                      .optional_input("scale", "C")
                                      .output("dx", "... C")
                                      .optional_output("dscale", "C");

}  // namespace
}  // namespace netc
