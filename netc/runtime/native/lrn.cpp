// Local response normalization of (N, H, W, C) images, and its gradient.
#include <algorithm>
#include <cmath>

#include "rows.h"

namespace netc {
namespace {

// Local response normalization across channels: y = x s^-beta, s = bias + alpha / size times the sum of x^2 over `size`
// channels.
class Lrn : public Kernel {
 public:
  explicit Lrn(const Attributes& attributes)
      : size_(attributes.integer("size")),
        share_(attributes.number("alpha") / static_cast<float>(size_)),
        beta_(attributes.number("beta")),
        bias_(attributes.number("bias")) {
    need(size_ > 0 && size_ <= kMostExtent, "attribute size is ", size_, "; expected a number from 1 to ", kMostExtent);
  }

  void compute(const Context& context) const override {
    const float* x = context.input("x");
    float* y = context.output("y");
    for_pixels(context, [&](int64_t at, int64_t c, float* scales, float* squares) {
      scales_of(x + at, c, squares, scales);
      powers_of(scales, c, squares);
      const float* from = x + at;
      float* to = y + at;
#pragma GCC ivdep
      for (int64_t i = 0; i < c; ++i) to[i] = from[i] * squares[i];
    });
  }

 protected:
  // Calls each(offset of the pixel, channels, two pieces of scratch of channels + size floats) for all pixels.
  template <class F>
  void for_pixels(const Context& context, const F& each) const {
    const Rows of(context);
    const int64_t c = of.channels;
    context.parallel_for(of.chunks(), [&](size_t i) {
      const auto scratch = scratch_.take(2 * (c + size_));
      for (int64_t r = 0; r < of.count(i); ++r) each((of.begin(i) + r) * c, c, scratch.data(), scratch.data() + c + size_);
    });
  }

  // sums[i] = the sum of `size` terms around term(i), with zeros beyond the ends. `padded` holds channels + size
  // floats.
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

  // scales^-beta. The usual exponent, 0.75, is computed from roots, which are many times faster than a power.
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

const Registration kLrn = op<Lrn>("NhwcLRN").input("x", "... C").output("y", "... C");

// The gradient with respect to x, given x, y and dy.
class LrnGrad : public Lrn {
 public:
  using Lrn::Lrn;

  void compute(const Context& context) const override {
    const float *x = context.input("x"), *y = context.input("y"), *dy = context.input("dy");
    float* dx = context.output("dx");
    for_pixels(context, [&](int64_t at, int64_t c, float* scales, float* scratch) {
      const float *from = x + at, *top = y + at, *g = dy + at;
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

const Registration kLrnGrad =
    op<LrnGrad>("NhwcLRNGrad").input("x", "... C").input("y", "... C").input("dy", "... C").output("dx", "... C");

}  // namespace
}  // namespace netc
