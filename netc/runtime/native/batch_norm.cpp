// Batch normalization of (N, H, W, C) images. Sums over pixels are split into chunks of a fixed size that are added in
// order, so the number of threads does not change the result.
#include <algorithm>
#include <cmath>

#include "rows.h"
#include "vector.h"

namespace netc {
namespace {

// The sum of term(0) ... term(count - 1). It keeps four partial sums, because each addition waits for the previous one.
template <class F>
Floats sum_of(int64_t count, const F& term) {
  Floats sum[4] = {};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int k = 0; k < 4; ++k) sum[k] += term(i + k);
  for (; i < count; ++i) sum[0] += term(i);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// The mean, the variance and 1 / sqrt(variance + epsilon) of each channel. Each chunk sums squares around its own mean;
// the sums are then shifted to the mean of all chunks.
class BatchMoments : public Kernel {
 public:
  explicit BatchMoments(const Attributes& attributes)
      : epsilon_(attributes.number("epsilon")) {}

  void compute(const Context& context) const override {
    const float* x = context.input("x");
    const Rows of(context);
    const int64_t c = of.channels;
    const auto parts = parts_.take(2 * of.chunks() * c);
    context.parallel_for(of.chunks(), [&](size_t i) {
      const float* rows = x + of.begin(i) * c;
      const int64_t count = of.count(i);
      float *means = parts.data() + 2 * i * c, *squares = means + c;
      for_vectors(c, [&](int64_t lane, auto lanes, Ints) {
        const Floats mean =
            sum_of(count, [&](int64_t r) { return load(rows + r * c + lane, lanes); }) / all(static_cast<float>(count));
        store(means + lane, mean, lanes);
        store(squares + lane,
              sum_of(count,
                     [&](int64_t r) {
                       const Floats d = load(rows + r * c + lane, lanes) - mean;
                       return d * d;
                     }),
              lanes);
      });
    });
    float *mean = context.output("mean"), *variance = context.output("variance"),
          *inverse_std = context.output("inverse_std");
    for (int64_t k = 0; k < c; ++k) {
      const auto sum = [&](auto term) {
        double total = 0;
        for (int64_t i = 0; i < of.chunks(); ++i)
          total += term(static_cast<double>(of.count(i)), parts.data() + 2 * i * c + k);
        return total / static_cast<double>(of.rows);
      };
      const double middle = sum([](double count, const float* part) { return count * part[0]; });
      mean[k] = static_cast<float>(middle);
      variance[k] = static_cast<float>(sum([&](double count, const float* part) {
        const double off = part[0] - middle;
        return part[c] + count * off * off;
      }));
      inverse_std[k] = 1.0f / std::sqrt(variance[k] + epsilon_);
    }
  }

 private:
  float epsilon_;
  mutable ScratchPool parts_;
};

const Registration kBatchMoments = op<BatchMoments>("NhwcBatchMoments")
                                       .input("x", "... C")
                                       .output("mean", "C")
                                       .output("variance", "C")
                                       .output("inverse_std", "C");

// y = (x - mean) inverse_std scale + bias; with `relu`, the maximum of this and 0.
class BatchNorm : public Kernel {
 public:
  explicit BatchNorm(const Attributes& attributes)
      : relu_(attributes.integer("relu") != 0) {}

  void compute(const Context& context) const override {
    const float *x = context.input("x"), *mean = context.input("mean"), *inverse_std = context.input("inverse_std");
    const float *scale = context.input("scale"), *bias = context.input("bias");
    float* y = context.output("y");
    const Rows of(context);
    const int64_t c = of.channels;
    context.parallel_for(of.chunks(), [&](size_t i) {
      const float* from = x + of.begin(i) * c;
      float* to = y + of.begin(i) * c;
      for_vectors(c, [&](int64_t lane, auto lanes, Ints) {
        const Floats middle = load(mean + lane, lanes), shift = bias ? load(bias + lane, lanes) : Floats{};
        const Floats inverse = load(inverse_std + lane, lanes),
                     factor = scale ? inverse * load(scale + lane, lanes) : inverse;
        for (int64_t r = 0; r < of.count(i); ++r) {
          Floats v = (load(from + r * c + lane, lanes) - middle) * factor + shift;
          if (relu_) v = v < Floats{} ? Floats{} : v;
          store(to + r * c + lane, v, lanes);
        }
      });
    });
  }

 private:
  bool relu_;
};

const Registration kBatchNorm = op<BatchNorm>("NhwcBatchNorm")
                                    .input("x", "... C")
                                    .input("mean", "C")
                                    .input("inverse_std", "C")
                                    .optional_input("scale", "C")
                                    .optional_input("bias", "C")
                                    .output("y", "... C");

// The gradients with respect to x, scale and bias. If y is given, it is the output of a following Relu, whose gradient
// is included.
class BatchNormGrad : public Kernel {
 public:
  explicit BatchNormGrad(const Attributes&) {}

  void compute(const Context& context) const override {
    const float *dy = context.input("dy"), *x = context.input("x"), *y = context.input("y");
    const float *mean = context.input("mean"), *inverse_std = context.input("inverse_std"), *scale = context.input("scale");
    float *dx = context.output("dx"), *dscale = context.output("dscale"), *dbias = context.output("dbias");
    const Rows of(context);
    const int64_t c = of.channels;
    const auto through = [&](int64_t at, auto lanes) {
      const Floats g = load(dy + at, lanes);
      return y ? (load(y + at, lanes) > Floats{} ? g : Floats{}) : g;
    };
    const auto parts = parts_.take((2 * of.chunks() + 2) * c);
    float* sums = parts.data() + 2 * of.chunks() * c;
    context.parallel_for(of.chunks(), [&](size_t i) {
      float *products = parts.data() + 2 * i * c, *plain = products + c;
      for_vectors(c, [&](int64_t lane, auto lanes, Ints) {
        const Floats middle = load(mean + lane, lanes), inverse = load(inverse_std + lane, lanes);
        const int64_t first = of.begin(i) * c + lane;
        store(products + lane,
              inverse * sum_of(of.count(i),
                               [&](int64_t r) {
                                 return through(first + r * c, lanes) * (load(x + first + r * c, lanes) - middle);
                               }),
              lanes);
        store(plain + lane, sum_of(of.count(i), [&](int64_t r) { return through(first + r * c, lanes); }), lanes);
      });
    });
    for (int64_t k = 0; k < 2 * c; ++k) {
      double sum = 0;
      for (int64_t i = 0; i < of.chunks(); ++i) sum += parts.data()[2 * i * c + k];
      sums[k] = static_cast<float>(sum);
    }
    if (dscale) std::copy_n(sums, c, dscale);
    if (dbias) std::copy_n(sums + c, c, dbias);
    const Floats share = all(1.0f / static_cast<float>(of.rows));
    context.parallel_for(of.chunks(), [&](size_t i) {
      for_vectors(c, [&](int64_t lane, auto lanes, Ints) {
        const Floats middle = load(mean + lane, lanes), inverse = load(inverse_std + lane, lanes);
        const Floats factor = scale ? inverse * load(scale + lane, lanes) : inverse;
        const Floats slope = inverse * load(sums + lane, lanes) * share, level = load(sums + c + lane, lanes) * share;
        const int64_t first = of.begin(i) * c + lane;
        for (int64_t r = 0; r < of.count(i); ++r) {
          const int64_t at = first + r * c;
          store(dx + at, (through(at, lanes) - level - (load(x + at, lanes) - middle) * slope) * factor, lanes);
        }
      });
    });
  }

 private:
  mutable ScratchPool parts_;
};

const Registration kBatchNormGrad = op<BatchNormGrad>("NhwcBatchNormGrad")
                                        .input("dy", "... C")
                                        .input("x", "... C")
                                        .input("mean", "C")
                                        .input("inverse_std", "C")
                                        .optional_input("scale", "C")
                                        .optional_input("y", "... C")
                                        .output("dx", "... C")
                                        .optional_output("dscale", "C")
                                        .optional_output("dbias", "C");

}  // namespace
}  // namespace netc
