// LSTM over a whole sequence, and its gradient. An item of work is some rows of the batch through all times, so that threads never
// wait for each other; the weights are packed once and stay in the cache.
#include <algorithm>
#include <cmath>

#include "kernel.h"
#include "tiles.h"

namespace netc {
namespace {

constexpr int64_t kRows = 8;  // about so many rows of the batch make an item

// tanh as a quotient of two polynomials, to a few units of the last place; it is 1 in single precision beyond 9. NaN stays.
inline Floats tanh_of(Floats x) {
  const Floats most = all(9.0f);
  x = x > most ? most : x;
  x = x < -most ? -most : x;
  const Floats z = x * x;
  Floats p = all(-2.76076847742355e-16f);
  for (float a : {2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f, 1.48572235717979e-05f, 6.37261928875436e-04f,
                  4.89352455891786e-03f})
    p = p * z + a;
  Floats q = all(1.19825839466702e-06f);
  for (float b : {1.18534705686654e-04f, 2.26843463243900e-03f, 4.89352518554385e-03f}) q = q * z + b;
  return x * p / q;
}

inline Floats sigmoid_of(Floats x) { return 0.5f * tanh_of(0.5f * x) + 0.5f; }

// A matrix of `depth` rows whose columns stand in blocks, each (depth, its vectors), as tiles read them.
class Packed {
 public:
  Packed(int64_t depth, int64_t columns) : depth_(depth), blocks_(blocks_of(columns)) {}
  size_t size() const { return static_cast<size_t>(depth_ * padded(blocks_.back().begin + blocks_.back().lanes)); }

  // Element (k, column) is from[k * row_step + column * column_step].
  void fill(const Context& context, float* to, const float* from, int64_t row_step, int64_t column_step) {
    data_ = to;
    context.parallel_for(blocks_.size(), [&](size_t i) {
      const Block& block = blocks_[i];
      const int64_t width = block.vectors * kWidth;
      float* row = to + block.begin * depth_;
      for (int64_t k = 0; k < depth_; ++k, row += width)
        for (int64_t j = 0; j < width; ++j) row[j] = j < block.lanes ? from[k * row_step + (block.begin + j) * column_step] : 0.0f;
    });
  }

  // out = a times this matrix, or with `adds` out += it. The rows of a are `step` apart, those of out `out_step`, which is padded.
  void product(const float* a, int64_t step, int64_t rows, float* out, int64_t out_step, bool adds) const {
    for (const Block& block : blocks_) {
      const int width = block.vectors * kWidth, most = best_pixels(block.vectors, rows);
      for (int64_t r = 0; r < rows; r += most) {
        const int pixels = static_cast<int>(std::min<int64_t>(most, rows - r));
        const Terms terms{a + r * step, step, data_ + block.begin * depth_, kOnce, kOnce, {depth_, 1, width}};
        kTiles[block.vectors - 1][pixels - 1](terms, {out + r * out_step + block.begin, out_step, width, nullptr, false, adds});
      }
    }
  }

 private:
  int64_t depth_;
  std::vector<Block> blocks_;
  const float* data_ = nullptr;
};

// each(first row, rows, its own `floats` of scratch) for parts of a batch of n, an even number of them where there are several.
template <class F>
void for_rows(const Context& context, int64_t n, float* scratch, int64_t floats, const F& each) {
  const int64_t pairs = (n + kRows) / (2 * kRows), items = std::max<int64_t>(1, 2 * pairs), rows = (n + items - 1) / items;
  context.parallel_for(static_cast<size_t>((n + rows - 1) / rows), [&](size_t i) {
    const int64_t first = static_cast<int64_t>(i) * rows;
    each(first, std::min(rows, n - first), scratch + first * floats);
  });
}

void scale(float* row, int64_t size, float by) {
  for (int64_t j = 0; j < size; ++j) row[j] *= by;
}

// Inputs xw (T, N, 4H), wh (4H, H), h and c (N, H), cont (T, N, 1). Outputs y (T, N, H), the last h and c, and for the gradient
// the sigmoids (T, N, 3H), g, c before and tanh(c).
class Lstm : public Kernel {
 public:
  explicit Lstm(const Attributes&) {}

  void compute(const Context& context) const override {
    const auto xw = context.input(0), wh = context.input(1), h = context.input(2), c = context.input(3), cont = context.input(4);
    const int64_t steps = xw.shape[0], n = xw.shape[1], hidden = wh.shape[1];
    const Shape all_times{steps, n, hidden}, once{n, hidden};
    const Run run{xw.data, h.data, c.data, cont.data, context.output(0, all_times), context.output(1, once), context.output(2, once),
                  context.output(3, {steps, n, 3 * hidden}), context.output(4, all_times), context.output(5, all_times),
                  context.output(6, all_times), steps, n, hidden};
    Packed weights(hidden, 4 * hidden);
    const int64_t floats = 3 * hidden + padded(4 * hidden);
    const auto scratch = pool_.take(weights.size() + n * floats);
    weights.fill(context, scratch.data(), wh.data, 1, hidden);
    for_rows(context, n, scratch.data() + weights.size(), floats,
             [&](int64_t first, int64_t rows, float* own) { run.rows(weights, first, rows, own); });
  }

 private:
  struct Run {
    const float *xw, *first_h, *first_c, *cont;
    float *y, *last_h, *last_c, *s, *g, *before, *t;
    int64_t steps, n, hidden;

    void rows(const Packed& weights, int64_t first, int64_t count, float* scratch) const {
      const int64_t width = padded(4 * hidden), size = count * hidden;
      float *h = scratch, *c = h + size, *next_c = c + size, *gates = next_c + size;
      std::copy_n(first_h + first * hidden, size, h);
      std::copy_n(first_c + first * hidden, size, c);
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
    const auto dy = context.input(0), wh = context.input(3);
    const int64_t steps = dy.shape[0], n = dy.shape[1], hidden = wh.shape[1];
    const Run run{dy.data, context.input(1).data, context.input(2).data, context.input(4).data, context.input(5).data,
                  context.input(6).data, context.input(7).data, context.input(8).data, context.output(0, {steps, n, 4 * hidden}),
                  context.output(1, {n, hidden}), steps, n, hidden};
    Packed weights(4 * hidden, hidden);
    const int64_t floats = 2 * hidden + padded(hidden);
    const auto scratch = pool_.take(weights.size() + n * floats);
    weights.fill(context, scratch.data(), wh.data, hidden, 1);
    for_rows(context, n, scratch.data() + weights.size(), floats,
             [&](int64_t first, int64_t rows, float* own) { run.rows(weights, first, rows, own); });
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
      if (last_dc) {
        std::copy_n(last_dc + first * hidden, size, dc_now);
      } else {
        std::fill_n(dc_now, size, 0.0f);
      }
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

std::vector<Op> recurrent_ops() {
  using ort::kFloat;
  return {
      Op("LSTM", make<Lstm>, std::vector<int>(5, kFloat), std::vector<int>(7, kFloat), 4),
      Op("LSTMGrad", make<LstmGrad>, std::vector<int>(9, kFloat), {kFloat, kFloat}, 1),
  };
}

}  // namespace netc
