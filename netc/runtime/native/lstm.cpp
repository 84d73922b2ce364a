// LSTM over a complete sequence, and its gradient.
#include "recurrent.h"

namespace netc {
namespace {

// The outputs s (sigmoids), g, before (c before each time step) and t (tanh of c) are all present or all absent. The
// gradient reads them.
struct Lstm : Sequence {
  static constexpr bool kBack = false;
  const float* xw = context.input("xw");
  const float* first_h = context.input("h");
  const float* first_c = context.input("c");
  float* y = context.output("y");
  float* last_h = context.output("last_h");
  float* last_c = context.output("last_c");
  float* s = context.output("sigmoids");
  float* g = context.output("g");
  float* before = context.output("c_before");
  float* t = context.output("tanh_c");

  explicit Lstm(const Context& context)
      : Sequence(context, 4) {
    need(!s || (g && before && t), "outputs sigmoids, g, c_before and tanh_c must all be there or all be left out");
  }

  int64_t scratch_floats() const { return 3 * hidden + padded(gates); }

  void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
    const int64_t width = padded(gates), size = count * hidden;
    float *h = scratch, *c = h + size, *next_c = c + size, *sums = next_c + size;
    start(h, first_h, first, count);
    start(c, first_c, first, count);
    for (int64_t time = 0; time < steps; ++time, std::swap(c, next_c)) {
      const int64_t at = row(time, first);
      for (int64_t r = 0; r < count; ++r) std::copy_n(xw + (at + r) * gates, gates, sums + r * width);
      cut(h, hidden, at, count);
      cut(c, hidden, at, count);
      weights.product(h, hidden, count, sums, width, true);
      for (int64_t r = 0; r < count; ++r)
        step(at + r, sums + r * width, h + r * hidden, c + r * hidden, next_c + r * hidden);
    }
    std::copy_n(h, size, last_h + first * hidden);
    std::copy_n(c, size, last_c + first * hidden);
  }

  // One row at one time step; `at` is its number.
  void step(int64_t at, const float* sums, float* h, const float* c, float* next_c) const {
    for_vectors(hidden, [&](int64_t j, auto lanes, const Ints&) {
      const Floats old = load(c + j, lanes);
      const Floats i = sigmoid_of(load(sums + j, lanes)), f = sigmoid_of(load(sums + hidden + j, lanes));
      const Floats o = sigmoid_of(load(sums + 2 * hidden + j, lanes)), in = tanh_of(load(sums + 3 * hidden + j, lanes));
      const Floats now = f * old + i * in, squashed = tanh_of(now), out = o * squashed;
      const int64_t place = at * hidden + j;
      store(next_c + j, now, lanes);
      store(h + j, out, lanes);
      store(y + place, out, lanes);
      if (!s) return;
      float* sigmoids = s + at * 3 * hidden + j;
      store(sigmoids, i, lanes), store(sigmoids + hidden, f, lanes), store(sigmoids + 2 * hidden, o, lanes);
      store(g + place, in, lanes), store(before + place, old, lanes), store(t + place, squashed, lanes);
    });
  }
};

struct LstmGrad : Sequence {
  static constexpr bool kBack = true;
  const float* dy = context.input("dy");
  const float* last_dh = context.input("dh");
  const float* last_dc = context.input("dc");
  const float* s = context.input("sigmoids");
  const float* g = context.input("g");
  const float* before = context.input("c_before");
  const float* t = context.input("tanh_c");
  float* dxw = context.output("dxw");
  float* dc = context.output("dc");

  explicit LstmGrad(const Context& context)
      : Sequence(context, 4) {}

  int64_t scratch_floats() const { return 2 * hidden + padded(hidden); }

  void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
    const int64_t width = padded(hidden), size = count * hidden;
    float *dc_now = scratch, *dc_before = dc_now + size, *dh = dc_before + size;
    std::fill_n(dh, count * width, 0.0f);
    for (int64_t r = 0; last_dh && r < count; ++r) std::copy_n(last_dh + (first + r) * hidden, hidden, dh + r * width);
    start(dc_now, last_dc, first, count);
    for (int64_t time = steps - 1; time >= 0; --time, std::swap(dc_now, dc_before)) {
      pass_back(weights, dxw, time, first, count, dh);
      for (int64_t r = 0; r < count; ++r)
        step(row(time, first + r), dh + r * width, dc_now + r * hidden, dc_before + r * hidden);
    }
    std::copy_n(dc_now, size, dc + first * hidden);
  }

  // One row at one time step; `at` is its number. dh comes from the next time step, dc_before goes to the previous one.
  void step(int64_t at, const float* dh, const float* dc_now, float* dc_before) const {
    const float kept = cont ? cont[at] : 1.0f;
    for_vectors(hidden, [&](int64_t j, auto lanes, const Ints&) {
      const int64_t place = at * hidden + j;
      const float* sigmoids = s + at * 3 * hidden + j;
      const Floats i = load(sigmoids, lanes), f = load(sigmoids + hidden, lanes), o = load(sigmoids + 2 * hidden, lanes);
      const Floats in = load(g + place, lanes), old = load(before + place, lanes), squashed = load(t + place, lanes);
      const Floats by_h = load(dy + place, lanes) + load(dh + j, lanes);
      const Floats by_c = load(dc_now + j, lanes) + by_h * o * (1.0f - squashed * squashed);
      float* sums = dxw + at * 4 * hidden + j;
      store(sums, by_c * in * (i - i * i), lanes);
      store(sums + hidden, by_c * old * (f - f * f), lanes);
      store(sums + 2 * hidden, by_h * squashed * (o - o * o), lanes);
      store(sums + 3 * hidden, by_c * i * (1.0f - in * in), lanes);
      store(dc_before + j, by_c * f * kept, lanes);
    });
  }
};

const Registration kLstm = op<Recurrent<Lstm>>("LSTM")
                               .input("xw", "T N 4*H")
                               .input("wh", "4*H H")
                               .input("h", "N H")
                               .input("c", "N H")
                               .optional_input("cont", "T N 1")
                               .output("y", "T N H")
                               .output("last_h", "N H")
                               .output("last_c", "N H")
                               .optional_output("sigmoids", "T N 3*H")
                               .optional_output("g", "T N H")
                               .optional_output("c_before", "T N H")
                               .optional_output("tanh_c", "T N H");

const Registration kLstmGrad = op<Recurrent<LstmGrad>>("LSTMGrad")
                                   .input("dy", "T N H")
                                   .optional_input("dh", "N H")
                                   .optional_input("dc", "N H")
                                   .input("wh", "4*H H")
                                   .optional_input("cont", "T N 1")
                                   .input("sigmoids", "T N 3*H")
                                   .input("g", "T N H")
                                   .input("c_before", "T N H")
                                   .input("tanh_c", "T N H")
                                   .output("dxw", "T N 4*H")
                                   .output("dc", "N H");

}  // namespace
}  // namespace netc
