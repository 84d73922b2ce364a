// Common parts of recurrent ops over complete sequences. A work item processes some rows of the batch at all time
// steps, so threads never wait for each other. The weights are packed once and stay in the cache.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.h"
#include "packed.h"
#include "squash.h"

namespace netc {

constexpr int64_t kRows = 8;  // rows of the batch in a work item, approximately

// The inputs and sizes of every run: T time steps, N rows of the batch, H hidden units, weights wh (gates, H), and cont
// (T, N, 1), which is 0 where a sequence starts, or null.
struct Sequence {
  const Context& context;
  const int64_t steps = context.size("T"), n = context.size("N"), hidden = context.size("H"), gates;
  const float* wh = context.input("wh");
  const float* cont = context.input("cont");

  Sequence(const Context& context, int64_t gates_per_unit)
      : context(context), gates(gates_per_unit * hidden) {}

  // The number of row `first` of the batch at a time step, counted over all time steps.
  int64_t row(int64_t time, int64_t first) const { return time * n + first; }

  // Sets rows of a state, `step` floats apart, to zero where a sequence starts. `row` is the number of the first.
  void cut(float* state, int64_t step, int64_t row, int64_t count) const {
    for (int64_t r = 0; cont && r < count; ++r) {
      const float kept = cont[row + r];
      for (int64_t j = 0; j < hidden; ++j) state[r * step + j] *= kept;
    }
  }

  // Sets `dh` to what the gates of the next time step pass back to h at `time`; does not change it at the last time
  // step.
  void pass_back(const Packed& weights, const float* dgates, int64_t time, int64_t first, int64_t count, float* dh) const {
    if (time + 1 == steps) return;
    const int64_t next = row(time + 1, first);
    weights.product(dgates + next * gates, gates, count, dh, padded(hidden), false);
    cut(dh, padded(hidden), next, count);
  }

  // The rows of a state before the first time step; zeros if `from` is null.
  void start(float* to, const float* from, int64_t first, int64_t count) const {
    if (from) {
      std::copy_n(from + first * hidden, count * hidden, to);
    } else {
      std::fill_n(to, count * hidden, 0.0f);
    }
  }
};

// A kernel over sequences. Run is a Sequence, made from a context; run.rows(weights, first, count, scratch) computes
// some rows of the batch, with scratch_floats() per row. `Run::kBack` selects weights for products with wh, or with
// wh'.
template <class Run>
class Recurrent : public Kernel {
 public:
  explicit Recurrent(const Attributes&) {}

  void compute(const Context& context) const override {
    const Run run(context);
    const int64_t gates = run.gates, hidden = run.hidden, n = run.n, floats = run.scratch_floats();
    constexpr bool back = Run::kBack;
    Packed weights(back ? gates : hidden, back ? hidden : gates);
    const auto scratch = pool_.take(static_cast<int64_t>(weights.size()) + n * floats);
    weights.fill(context, scratch.data(), run.wh, back ? hidden : 1, back ? 1 : hidden);
    float* own = scratch.data() + weights.size();
    // If there are several items, an even number.
    const int64_t pairs = (n + kRows) / (2 * kRows), items = std::max<int64_t>(1, 2 * pairs);
    const int64_t rows = (n + items - 1) / items;
    context.parallel_for(static_cast<size_t>((n + rows - 1) / rows), [&](size_t i) {
      const int64_t first = static_cast<int64_t>(i) * rows;
      run.rows(weights, first, std::min(rows, n - first), own + first * floats);
    });
  }

 private:
  mutable ScratchPool pool_;
};

}  // namespace netc
