// Batch and local response normalization of (N, H, W, C) images. Sums over pixels are made of chunks of a fixed size, added
// in their order, so that threads do not change the result.
#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "vector.h"

namespace netc {
namespace {

constexpr int64_t kChunk = 1 << 13;  // floats that stay in the first cache

// An image batch as a matrix, a row for each pixel, cut into chunks of rows.
struct Rows {
  int64_t rows, channels, chunk;
  explicit Rows(const Shape& shape) : rows(1), channels(shape.back()) {
    need(elements(shape) > 0, "input 0 is empty");
    for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
    chunk = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, channels));
  }
  int64_t chunks() const { return (rows + chunk - 1) / chunk; }
  int64_t begin(int64_t i) const { return i * chunk; }
  int64_t count(int64_t i) const { return std::min(chunk, rows - begin(i)); }
};

// The sum of term(0) ... term(count - 1). Four sums at a time, since each addition waits for the one before.
template <class F>
Floats sum_of(int64_t count, const F& term) {
  Floats sum[4] = {};
  int64_t i = 0;
  for (; i + 4 <= count; i += 4)
    for (int k = 0; k < 4; ++k) sum[k] += term(i + k);
  for (; i < count; ++i) sum[0] += term(i);
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// (mean, variance, 1 / sqrt(variance + epsilon)) of each channel. The squares of a chunk are
// around its own mean, and moved to that of all.
class BatchMoments : public Kernel {
 public:
  explicit BatchMoments(const Attributes& attributes) : epsilon_(attributes.number("epsilon")) {}

  void compute(const Context& context) const override {
    const auto x = context.input_of_rank(0, 1);
    const Rows of(x.shape);
    const int64_t c = of.channels;
    const auto parts = parts_.take(2 * of.chunks() * c);
    context.parallel_for(of.chunks(), [&](size_t i) {
      const float* rows = x.data + of.begin(i) * c;
      const int64_t count = of.count(i);
      float *means = parts.data() + 2 * i * c, *squares = means + c;
      for_vectors(c, [&](int64_t lane, auto lanes, Ints) {
        const Floats mean = sum_of(count, [&](int64_t r) { return load(rows + r * c + lane, lanes); }) / all(static_cast<float>(count));
        store(means + lane, mean, lanes);
        store(squares + lane, sum_of(count, [&](int64_t r) { const Floats d = load(rows + r * c + lane, lanes) - mean; return d * d; }), lanes);
      });
    });
    float *mean = context.output(0, {c}), *variance = context.output(1, {c}), *inverse_std = context.output(2, {c});
    for (int64_t k = 0; k < c; ++k) {
      const auto sum = [&](auto term) {
        double total = 0;
        for (int64_t i = 0; i < of.chunks(); ++i) total += term(static_cast<double>(of.count(i)), parts.data() + 2 * i * c + k);
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

// (x - mean) inverse_std scale + bias, and where `relu` is 1 the maximum of that and 0.
class BatchNorm : public Kernel {
 public:
  explicit BatchNorm(const Attributes& attributes) : relu_(attributes.integer("relu") != 0) {}

  void compute(const Context& context) const override {
    const auto x = context.input_of_rank(0, 1);
    const Rows of(x.shape);
    const int64_t c = of.channels;
    const auto mean = context.input(1, {c}), inverse_std = context.input(2, {c});
    const auto scale = context.optional_input(3, {c}), bias = context.optional_input(4, {c});
    float* y = context.output(0, x.shape);
    context.parallel_for(of.chunks(), [&](size_t i) {
      const float* from = x.data + of.begin(i) * c;
      float* to = y + of.begin(i) * c;
      for_vectors(c, [&](int64_t lane, auto lanes, Ints) {
        const Floats middle = load(mean.data + lane, lanes), shift = bias.data ? load(bias.data + lane, lanes) : Floats{};
        const Floats inverse = load(inverse_std.data + lane, lanes), factor = scale.data ? inverse * load(scale.data + lane, lanes) : inverse;
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

// The gradients by x, scale and bias. Where y is given, it is the output of the Relu that follows, and its gradient is in it.
class BatchNormGrad : public Kernel {
 public:
  explicit BatchNormGrad(const Attributes&) {}

  void compute(const Context& context) const override {
    const auto dy = context.input_of_rank(0, 1), x = context.input(1, dy.shape);
    const Rows of(x.shape);
    const int64_t c = of.channels;
    const auto mean = context.input(2, {c}), inverse_std = context.input(3, {c});
    const auto scale = context.optional_input(4, {c}), y = context.optional_input(5, x.shape);
    float *dx = context.output(0, x.shape), *dscale = context.optional_output(1, {c}), *dbias = context.optional_output(2, {c});
    const auto through = [&](int64_t at, auto lanes) {
      const Floats g = load(dy.data + at, lanes);
      return y.data ? (load(y.data + at, lanes) > Floats{} ? g : Floats{}) : g;
    };
    const auto parts = parts_.take((2 * of.chunks() + 2) * c);
    float* sums = parts.data() + 2 * of.chunks() * c;
    context.parallel_for(of.chunks(), [&](size_t i) {
      float *products = parts.data() + 2 * i * c, *plain = products + c;
      for_vectors(c, [&](int64_t lane, auto lanes, Ints) {
        const Floats middle = load(mean.data + lane, lanes), inverse = load(inverse_std.data + lane, lanes);
        const int64_t first = of.begin(i) * c + lane;
        store(products + lane, inverse * sum_of(of.count(i), [&](int64_t r) {
                return through(first + r * c, lanes) * (load(x.data + first + r * c, lanes) - middle);
              }), lanes);
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
        const Floats middle = load(mean.data + lane, lanes), inverse = load(inverse_std.data + lane, lanes);
        const Floats factor = scale.data ? inverse * load(scale.data + lane, lanes) : inverse;
        const Floats slope = inverse * load(sums + lane, lanes) * share, level = load(sums + c + lane, lanes) * share;
        const int64_t first = of.begin(i) * c + lane;
        for (int64_t r = 0; r < of.count(i); ++r) {
          const int64_t at = first + r * c;
          store(dx + at, (through(at, lanes) - level - (load(x.data + at, lanes) - middle) * slope) * factor, lanes);
        }
      });
    });
  }

 private:
  mutable ScratchPool parts_;
};

// Local response normalization across channels: y = x s^-beta, s = bias + alpha / size times the sum of x^2 over `size` channels.
class Lrn : public Kernel {
 public:
  explicit Lrn(const Attributes& attributes)
      : size_(attributes.integer("size")), share_(attributes.number("alpha") / static_cast<float>(size_)), beta_(attributes.number("beta")),
        bias_(attributes.number("bias")) {
    need(size_ > 0 && size_ <= kMostExtent, "size: ", size_, " is not between 1 and ", kMostExtent);
  }

  void compute(const Context& context) const override {
    const auto x = context.input_of_rank(0, 1);
    float* y = context.output(0, x.shape);
    for_pixels(context, x.shape, [&](int64_t at, int64_t c, float* scales, float* squares) {
      scales_of(x.data + at, c, squares, scales);
      powers_of(scales, c, squares);
      const float* from = x.data + at;
      float* to = y + at;
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i) to[i] = from[i] * squares[i];
    });
  }

 protected:
  // each(offset of the pixel, channels, two pieces of scratch of channels + size floats) over all pixels.
  template <class F>
  void for_pixels(const Context& context, const Shape& shape, const F& each) const {
    const Rows of(shape);
    const int64_t c = of.channels;
    context.parallel_for(of.chunks(), [&](size_t i) {
      const auto scratch = scratch_.take(2 * (c + size_));
      for (int64_t r = 0; r < of.count(i); ++r) each((of.begin(i) + r) * c, c, scratch.data(), scratch.data() + c + size_);
    });
  }

  // sums[i] = the sum of `size` terms around term(i), zeros beyond the ends. `padded` holds channels + size floats.
  template <class F>
  void window_sums(int64_t c, const F& term, float* padded, float* sums) const {
    const int64_t before = (size_ - 1) / 2;
    std::fill_n(padded, before, 0.0f);
    std::fill_n(padded + before + c, size_ - before, 0.0f);
#pragma GCC ivdep
    for (int64_t i = 0; i < c; ++i) padded[before + i] = term(i);
#pragma GCC ivdep
    for (int64_t i = 0; i < c; ++i) sums[i] = padded[i];
    for (int64_t k = 1; k < size_; ++k)
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i) sums[i] += padded[i + k];
  }

  void scales_of(const float* x, int64_t c, float* padded, float* scales) const {
    window_sums(c, [x](int64_t i) { return x[i] * x[i]; }, padded, scales);
#pragma GCC ivdep
    for (int64_t i = 0; i < c; ++i) scales[i] = bias_ + share_ * scales[i];
  }

  // scales^-beta. The exponent that everyone uses is made of roots, which are many times faster than a power.
  void powers_of(const float* scales, int64_t c, float* powers) const {
    if (beta_ == 0.75f) {
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i) {
        const float root = std::sqrt(scales[i]);
        powers[i] = 1.0f / (root * std::sqrt(root));
      }
    } else {
      for (int64_t i = 0; i < c; ++i) powers[i] = std::pow(scales[i], -beta_);
    }
  }

  int64_t size_;
  float share_, beta_, bias_;
  mutable ScratchPool scratch_;
};

// The gradient by x, given x, y and dy.
class LrnGrad : public Lrn {
 public:
  using Lrn::Lrn;

  void compute(const Context& context) const override {
    const auto x = context.input_of_rank(0, 1), y = context.input(1, x.shape), dy = context.input(2, x.shape);
    float* dx = context.output(0, x.shape);
    for_pixels(context, x.shape, [&](int64_t at, int64_t c, float* scales, float* scratch) {
      const float *from = x.data + at, *top = y.data + at, *g = dy.data + at;
      float* to = dx + at;
      scales_of(from, c, scratch, scales);
      window_sums(c, [=](int64_t i) { return g[i] * top[i] / scales[i]; }, scratch, to);
      powers_of(scales, c, scratch);
      const float factor = 2.0f * share_ * beta_;
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i) to[i] = g[i] * scratch[i] - factor * from[i] * to[i];
    });
  }
};

}  // namespace

std::vector<Op> normalization_ops() {
  using ort::kFloat;
  return {
      Op("NhwcBatchMoments", make<BatchMoments>, {kFloat}, {kFloat, kFloat, kFloat}, 1),
      Op("NhwcBatchNorm", make<BatchNorm>, {kFloat, kFloat, kFloat, kFloat, kFloat}, {kFloat}, 3),
      Op("NhwcBatchNormGrad", make<BatchNormGrad>, {kFloat, kFloat, kFloat, kFloat, kFloat, kFloat}, {kFloat, kFloat, kFloat}, 4),
      Op("NhwcLRN", make<Lrn>, {kFloat}, {kFloat}, 1),
      Op("NhwcLRNGrad", make<LrnGrad>, {kFloat, kFloat, kFloat}, {kFloat}, 3),
  };
}

}  // namespace netc
