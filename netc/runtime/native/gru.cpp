// GRU over a complete sequence, and its gradient.
#include "recurrent.h"

namespace netc {
namespace {

// The outputs s (sigmoids), candidate (n) and inputs (wh h + bh of the third gate) are all present or all absent. The
// gradient reads them.
struct Gru : Sequence {
  static constexpr bool kBack = false;
  const float* xw = context.input("xw");
  const float* bias = context.input("bh");
  const float* first_h = context.input("h");
  float* y = context.output("y");
  float* last_h = context.output("last_h");
  float* s = context.output("sigmoids");
  float* candidate = context.output("n");
  float* inputs = context.output("inputs");

  explicit Gru(const Context& context)
      : Sequence(context, 3) {
    need(!s || (candidate && inputs), "outputs sigmoids, n and inputs must all be there or all be left out");
  }

  int64_t scratch_floats() const { return 2 * hidden + padded(gates); }

  void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
    const int64_t width = padded(gates), size = count * hidden;
    float *h = scratch, *next_h = h + size, *sums = next_h + size;
    start(h, first_h, first, count);
    for (int64_t time = 0; time < steps; ++time, std::swap(h, next_h)) {
      const int64_t at = row(time, first);
      cut(h, hidden, at, count);
      weights.product(h, hidden, count, sums, width, false);
      for (int64_t r = 0; r < count; ++r) step(at + r, sums + r * width, h + r * hidden, next_h + r * hidden);
    }
    std::copy_n(h, size, last_h + first * hidden);
  }

  // One row at one time step; `at` is its number.
  void step(int64_t at, const float* sums, const float* h, float* next_h) const {
    for_vectors(hidden, [&](int64_t j, auto lanes, const Ints&) {
      const float* x = xw + at * 3 * hidden + j;
      const Floats r = sigmoid_of(load(x, lanes) + load(sums + j, lanes));
      const Floats z = sigmoid_of(load(x + hidden, lanes) + load(sums + hidden + j, lanes));
      const Floats in = load(sums + 2 * hidden + j, lanes) + load(bias + j, lanes);
      const Floats now = tanh_of(load(x + 2 * hidden, lanes) + r * in), out = now + z * (load(h + j, lanes) - now);
      const int64_t place = at * hidden + j;
      store(next_h + j, out, lanes);
      store(y + place, out, lanes);
      if (!s) return;
      store(s + at * 2 * hidden + j, r, lanes), store(s + at * 2 * hidden + hidden + j, z, lanes);
      store(candidate + place, now, lanes), store(inputs + place, in, lanes);
    });
  }
};

// dh is the part of the gradient with respect to h that does not pass through wh; dg is the gradient with respect to wh
// h.
struct GruGrad : Sequence {
  static constexpr bool kBack = true;
  const float* dy = context.input("dy");
  const float* last_dh = context.input("dh");
  const float* h = context.input("h");
  const float* y = context.input("y");
  const float* s = context.input("sigmoids");
  const float* candidate = context.input("n");
  const float* inputs = context.input("inputs");
  float* dxw = context.output("dxw");
  float* dg = context.output("dg");
  float* dh = context.output("dh_direct");

  explicit GruGrad(const Context& context)
      : Sequence(context, 3) {}

  int64_t scratch_floats() const { return 3 * hidden + padded(hidden); }

  void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
    const int64_t width = padded(hidden), size = count * hidden;
    float *direct = scratch, *next_direct = direct + size, *before = next_direct + size, *through = before + size;
    start(direct, last_dh, first, count);
    std::fill_n(through, count * width, 0.0f);
    for (int64_t time = steps - 1; time >= 0; --time, std::swap(direct, next_direct)) {
      pass_back(weights, dg, time, first, count, through);
      start(before, time ? y + row(time - 1, 0) * hidden : h, first, count);
      for (int64_t r = 0; r < count; ++r)
        step(row(time, first + r), through + r * width, before + r * hidden, direct + r * hidden, next_direct + r * hidden);
    }
    std::copy_n(direct, size, dh + first * hidden);
  }

  // One row at one time step; `at` is its number. The gradient with respect to h has two parts: `through` comes from
  // the next time step through wh, `direct` does not.
  void step(int64_t at, const float* through, const float* before, const float* direct, float* next_direct) const {
    const float kept = cont ? cont[at] : 1.0f;
    for_vectors(hidden, [&](int64_t j, auto lanes, const Ints&) {
      const int64_t place = at * hidden + j;
      const float* sigmoids = s + at * 2 * hidden + j;
      const Floats r = load(sigmoids, lanes), z = load(sigmoids + hidden, lanes);
      const Floats now = load(candidate + place, lanes), in = load(inputs + place, lanes);
      const Floats carried = load(direct + j, lanes);
      const Floats by_h = load(dy + place, lanes) + load(through + j, lanes) + carried;
      const Floats by_n = by_h * (1.0f - z) * (1.0f - now * now);
      float *x = dxw + at * 3 * hidden + j, *g = dg + at * 3 * hidden + j;
      const Floats by_r = by_n * in * (r - r * r), by_z = by_h * (kept * load(before + j, lanes) - now) * (z - z * z);
      store(x, by_r, lanes), store(g, by_r, lanes);
      store(x + hidden, by_z, lanes), store(g + hidden, by_z, lanes);
      store(x + 2 * hidden, by_n, lanes), store(g + 2 * hidden, by_n * r, lanes);
      store(next_direct + j, by_h * z * kept, lanes);
    });
  }
};

const Registration kGru = op<Recurrent<Gru>>("GRU")
                              .input("xw", "T N 3*H")
                              .input("wh", "3*H H")
                              .input("bh", "H")
                              .input("h", "N H")
                              .optional_input("cont", "T N 1")
                              .output("y", "T N H")
                              .output("last_h", "N H")
                              .optional_output("sigmoids", "T N 2*H")
                              .optional_output("n", "T N H")
                              .optional_output("inputs", "T N H");

const Registration kGruGrad = op<Recurrent<GruGrad>>("GRUGrad")
                                  .input("dy", "T N H")
                                  .optional_input("dh", "N H")
                                  .input("wh", "3*H H")
                                  .input("h", "N H")
                                  .optional_input("cont", "T N 1")
                                  .input("y", "T N H")
                                  .input("sigmoids", "T N 2*H")
                                  .input("n", "T N H")
                                  .input("inputs", "T N H")
                                  .output("dxw", "T N 3*H")
                                  .output("dg", "T N 3*H")
                                  .output("dh_direct", "N H");

}  // namespace
}  // namespace netc
