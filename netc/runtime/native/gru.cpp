// GRU over a whole sequence, and its gradient.
#include "recurrent.h"

namespace netc {
namespace {

// Inputs xw (T, N, 3H), wh (3H, H), bh (H,), h (N, H), cont (T, N, 1). Outputs y (T, N, H), the last h, and for the gradient the
// sigmoids (T, N, 2H), n, and wh h + bh of the third gate.
class Gru : public Kernel {
 public:
  explicit Gru(const Attributes&) {}

  void compute(const Context& context) const override {
    const auto bh = context.input(2, {kSome});
    const int64_t hidden = bh.shape[0];
    const auto wh = context.input(1, {3 * hidden, hidden}), xw = context.input(0, {kSome, kSome, 3 * hidden});
    const int64_t steps = xw.shape[0], n = xw.shape[1];
    const Shape all_times{steps, n, hidden}, once{n, hidden};
    const auto h = context.input(3, once), cont = context.optional_input(4, {steps, n, 1});
    const Run run{xw.data, bh.data, h.data, cont.data, context.output(0, all_times), context.output(1, once),
                  context.optional_output(2, {steps, n, 2 * hidden}), context.optional_output(3, all_times),
                  context.optional_output(4, all_times), steps, n, hidden};
    need(!run.s || (run.candidate && run.inputs), "of outputs 2 to 4 some are left out");
    run_rows(context, pool_, run, wh, false, n, 2 * hidden + padded(3 * hidden));
  }

 private:
  struct Run {
    const float *xw, *bias, *first_h, *cont;
    float *y, *last_h, *s, *candidate, *inputs;
    int64_t steps, n, hidden;

    void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
      const int64_t width = padded(3 * hidden), size = count * hidden;
      float *h = scratch, *next_h = h + size, *gates = next_h + size;
      start(h, first_h, first, size, hidden);
      for (int64_t time = 0; time < steps; ++time, std::swap(h, next_h)) {
        const int64_t at = time * n + first;
        for (int64_t r = 0; cont && r < count; ++r) scale(h + r * hidden, hidden, cont[at + r]);
        weights.product(h, hidden, count, gates, width, false);
        for (int64_t r = 0; r < count; ++r) step(at + r, gates + r * width, h + r * hidden, next_h + r * hidden);
      }
      std::copy_n(h, size, last_h + first * hidden);
    }

    // One row at one time, number `at` of all.
    void step(int64_t at, const float* gates, const float* h, float* next_h) const {
      for_vectors(hidden, [&](int64_t j, auto lanes, const Ints&) {
        const float* x = xw + at * 3 * hidden + j;
        const Floats r = sigmoid_of(load(x, lanes) + load(gates + j, lanes));
        const Floats z = sigmoid_of(load(x + hidden, lanes) + load(gates + hidden + j, lanes));
        const Floats in = load(gates + 2 * hidden + j, lanes) + load(bias + j, lanes);
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

  mutable ScratchPool pool_;
};

// Inputs: the gradients dy (T, N, H) and, where it is there, of the last h; wh, h, cont; y, the sigmoids, n and wh h + bh of the forward
// op. Outputs: the gradients by xw (T, N, 3H), by wh h (T, N, 3H), and by h (N, H) where it does not pass through wh.
class GruGrad : public Kernel {
 public:
  explicit GruGrad(const Attributes&) {}

  void compute(const Context& context) const override {
    const auto dy = context.input(0, {kSome, kSome, kSome});
    const int64_t steps = dy.shape[0], n = dy.shape[1], hidden = dy.shape[2];
    const Shape gates{steps, n, 3 * hidden}, once{n, hidden};
    const auto wh = context.input(2, {3 * hidden, hidden});
    const Run run{dy.data, context.optional_input(1, once).data, context.input(3, once).data, context.optional_input(4, {steps, n, 1}).data,
                  context.input(5, dy.shape).data, context.input(6, {steps, n, 2 * hidden}).data, context.input(7, dy.shape).data,
                  context.input(8, dy.shape).data, context.output(0, gates), context.output(1, gates), context.output(2, once), steps, n,
                  hidden};
    run_rows(context, pool_, run, wh, true, n, 3 * hidden + padded(hidden));
  }

 private:
  struct Run {
    const float *dy, *last_dh, *h, *cont, *y, *s, *candidate, *inputs;
    float *dxw, *dg, *dh;
    int64_t steps, n, hidden;

    void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
      const int64_t width = padded(hidden), size = count * hidden;
      float *direct = scratch, *next_direct = direct + size, *before = next_direct + size, *through = before + size;
      start(direct, last_dh, first, size, hidden);
      std::fill_n(through, count * width, 0.0f);
      for (int64_t time = steps - 1; time >= 0; --time, std::swap(direct, next_direct)) {
        if (time + 1 < steps) {
          const int64_t after = (time + 1) * n + first;
          weights.product(dg + after * 3 * hidden, 3 * hidden, count, through, width, false);
          for (int64_t r = 0; cont && r < count; ++r) scale(through + r * width, hidden, cont[after + r]);
        }
        const float* states = time ? y + (time - 1) * n * hidden : h;
        std::copy_n(states + first * hidden, size, before);
        for (int64_t r = 0; r < count; ++r)
          step(time * n + first + r, through + r * width, before + r * hidden, direct + r * hidden, next_direct + r * hidden);
      }
      std::copy_n(direct, size, dh + first * hidden);
    }

    // One row at one time, number `at` of all. What comes from the time after through wh is `through`, what does not `direct`.
    void step(int64_t at, const float* through, const float* before, const float* direct, float* next_direct) const {
      const float kept = cont ? cont[at] : 1.0f;
      for_vectors(hidden, [&](int64_t j, auto lanes, const Ints&) {
        const int64_t place = at * hidden + j;
        const float* sigmoids = s + at * 2 * hidden + j;
        const Floats r = load(sigmoids, lanes), z = load(sigmoids + hidden, lanes);
        const Floats now = load(candidate + place, lanes), in = load(inputs + place, lanes);
        const Floats carried = load(direct + j, lanes), by_h = load(dy + place, lanes) + load(through + j, lanes) + carried;
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

  mutable ScratchPool pool_;
};

}  // namespace

std::vector<Op> gru_ops() {
  using ort::kFloat;
  return {
      Op("GRU", make<Gru>, std::vector<int>(5, kFloat), std::vector<int>(5, kFloat), 4),
      Op("GRUGrad", make<GruGrad>, std::vector<int>(9, kFloat), {kFloat, kFloat, kFloat}, 1),
  };
}

}  // namespace netc
