// LSTM over a whole sequence, and its gradient.
#include "recurrent.h"

namespace netc {
namespace {

// Inputs xw (T, N, 4H), wh (4H, H), h and c (N, H), cont (T, N, 1). Outputs y (T, N, H), the last h and c, and for the gradient
// the sigmoids (T, N, 3H), g, c before and tanh(c).
class Lstm : public Kernel {
 public:
  explicit Lstm(const Attributes&) {}

  void compute(const Context& context) const override {
    const auto h = context.input(2, {kSome, kSome});
    const int64_t n = h.shape[0], hidden = h.shape[1];
    const auto wh = context.input(1, {4 * hidden, hidden}), xw = context.input(0, {kSome, n, 4 * hidden});
    const int64_t steps = xw.shape[0];
    const Shape all_times{steps, n, hidden}, once{n, hidden};
    const auto c = context.input(3, once), cont = context.optional_input(4, {steps, n, 1});
    const Run run{xw.data, h.data, c.data, cont.data, context.output(0, all_times), context.output(1, once), context.output(2, once),
                  context.optional_output(3, {steps, n, 3 * hidden}), context.optional_output(4, all_times),
                  context.optional_output(5, all_times), context.optional_output(6, all_times), steps, n, hidden};
    need(!run.s || (run.g && run.before && run.t), "of outputs 3 to 6 some are left out");
    run_rows(context, pool_, run, wh, false, n, 3 * hidden + padded(4 * hidden));
  }

 private:
  struct Run {
    const float *xw, *first_h, *first_c, *cont;
    float *y, *last_h, *last_c, *s, *g, *before, *t;
    int64_t steps, n, hidden;

    void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
      const int64_t width = padded(4 * hidden), size = count * hidden;
      float *h = scratch, *c = h + size, *next_c = c + size, *gates = next_c + size;
      start(h, first_h, first, size, hidden);
      start(c, first_c, first, size, hidden);
      for (int64_t time = 0; time < steps; ++time, std::swap(c, next_c)) {
        for (int64_t r = 0; r < count; ++r) {
          const int64_t at = time * n + first + r;
          std::copy_n(xw + at * 4 * hidden, 4 * hidden, gates + r * width);
          if (cont) scale(h + r * hidden, hidden, cont[at]), scale(c + r * hidden, hidden, cont[at]);
        }
        weights.product(h, hidden, count, gates, width, true);
        for (int64_t r = 0; r < count; ++r)
          step(time * n + first + r, gates + r * width, h + r * hidden, c + r * hidden, next_c + r * hidden);
      }
      std::copy_n(h, size, last_h + first * hidden);
      std::copy_n(c, size, last_c + first * hidden);
    }

    // One row at one time, number `at` of all.
    void step(int64_t at, const float* gates, float* h, const float* c, float* next_c) const {
      for_vectors(hidden, [&](int64_t j, auto lanes, const Ints&) {
        const Floats old = load(c + j, lanes);
        const Floats i = sigmoid_of(load(gates + j, lanes)), f = sigmoid_of(load(gates + hidden + j, lanes));
        const Floats o = sigmoid_of(load(gates + 2 * hidden + j, lanes)), in = tanh_of(load(gates + 3 * hidden + j, lanes));
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

  mutable ScratchPool pool_;
};

// Inputs: the gradients dy (T, N, H) and, where they are there, of the last h and c; wh, h, cont; y, s, g, c before and tanh(c) of
// the forward op. Outputs: the gradients by xw (T, N, 4H) and by c (N, H).
class LstmGrad : public Kernel {
 public:
  explicit LstmGrad(const Attributes&) {}

  void compute(const Context& context) const override {
    const auto dy = context.input(0, {kSome, kSome, kSome});
    const int64_t steps = dy.shape[0], n = dy.shape[1], hidden = dy.shape[2];
    const Shape once{n, hidden};
    const auto wh = context.input(3, {4 * hidden, hidden});
    const Run run{dy.data, context.optional_input(1, once).data, context.optional_input(2, once).data,
                  context.optional_input(4, {steps, n, 1}).data, context.input(5, {steps, n, 3 * hidden}).data,
                  context.input(6, dy.shape).data, context.input(7, dy.shape).data, context.input(8, dy.shape).data,
                  context.output(0, {steps, n, 4 * hidden}), context.output(1, once), steps, n, hidden};
    run_rows(context, pool_, run, wh, true, n, 2 * hidden + padded(hidden));
  }

 private:
  struct Run {
    const float *dy, *last_dh, *last_dc, *cont, *s, *g, *before, *t;
    float *dxw, *dc;
    int64_t steps, n, hidden;

    void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
      const int64_t width = padded(hidden), size = count * hidden;
      float *dc_now = scratch, *dc_before = dc_now + size, *dh = dc_before + size;
      std::fill_n(dh, count * width, 0.0f);
      for (int64_t r = 0; last_dh && r < count; ++r) std::copy_n(last_dh + (first + r) * hidden, hidden, dh + r * width);
      start(dc_now, last_dc, first, size, hidden);
      for (int64_t time = steps - 1; time >= 0; --time, std::swap(dc_now, dc_before)) {
        if (time + 1 < steps) {
          const int64_t after = (time + 1) * n + first;
          weights.product(dxw + after * 4 * hidden, 4 * hidden, count, dh, width, false);
          for (int64_t r = 0; cont && r < count; ++r) scale(dh + r * width, hidden, cont[after + r]);
        }
        for (int64_t r = 0; r < count; ++r)
          step(time * n + first + r, dh + r * width, dc_now + r * hidden, dc_before + r * hidden);
      }
      std::copy_n(dc_now, size, dc + first * hidden);
    }

    // One row at one time, number `at` of all. dh comes from the time after, dc_before goes to the time before.
    void step(int64_t at, const float* dh, const float* dc_now, float* dc_before) const {
      const float kept = cont ? cont[at] : 1.0f;
      for_vectors(hidden, [&](int64_t j, auto lanes, const Ints&) {
        const int64_t place = at * hidden + j;
        const float* sigmoids = s + at * 3 * hidden + j;
        const Floats i = load(sigmoids, lanes), f = load(sigmoids + hidden, lanes), o = load(sigmoids + 2 * hidden, lanes);
        const Floats in = load(g + place, lanes), old = load(before + place, lanes), squashed = load(t + place, lanes);
        const Floats by_h = load(dy + place, lanes) + load(dh + j, lanes);
        const Floats by_c = load(dc_now + j, lanes) + by_h * o * (1.0f - squashed * squashed);
        float* gates = dxw + at * 4 * hidden + j;
        store(gates, by_c * in * (i - i * i), lanes);
        store(gates + hidden, by_c * old * (f - f * f), lanes);
        store(gates + 2 * hidden, by_h * squashed * (o - o * o), lanes);
        store(gates + 3 * hidden, by_c * i * (1.0f - in * in), lanes);
        store(dc_before + j, by_c * f * kept, lanes);
      });
    }
  };

  mutable ScratchPool pool_;
};

}  // namespace

std::vector<Op> lstm_ops() {
  using ort::kFloat;
  return {
      Op("LSTM", make<Lstm>, std::vector<int>(5, kFloat), std::vector<int>(7, kFloat), 4),
      Op("LSTMGrad", make<LstmGrad>, std::vector<int>(9, kFloat), {kFloat, kFloat}, 1),
  };
}

}  // namespace netc
