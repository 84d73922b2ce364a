// What recurrent kernels over whole sequences share. An item of work is some rows of the batch through all times, so that threads
// never wait for each other; the weights are packed once and stay in the cache.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.h"
#include "packed.h"
#include "squash.h"

namespace netc {

constexpr int64_t kRows = 8;  // about so many rows of the batch make an item

// run.rows(weights, first row, rows, scratch of `floats` for each of its rows) for parts of a batch of n, an even number of them where
// there are several. The weights wh (gates, hidden) are packed for products with wh', or with wh where the sequence is run `back`.
template <class Run>
void run_rows(const Context& context, ScratchPool& pool, const Run& run, const Tensor<const float>& wh, bool back, int64_t n, int64_t floats) {
  const int64_t gates = wh.shape[0], hidden = wh.shape[1];
  Packed weights(back ? gates : hidden, back ? hidden : gates);
  const auto scratch = pool.take(weights.size() + n * floats);
  weights.fill(context, scratch.data(), wh.data, back ? hidden : 1, back ? 1 : hidden);
  float* own = scratch.data() + weights.size();
  const int64_t pairs = (n + kRows) / (2 * kRows), items = std::max<int64_t>(1, 2 * pairs), rows = (n + items - 1) / items;
  context.parallel_for(static_cast<size_t>((n + rows - 1) / rows), [&](size_t i) {
    const int64_t first = static_cast<int64_t>(i) * rows;
    run.rows(weights, first, std::min(rows, n - first), own + first * floats);
  });
}

inline void scale(float* row, int64_t size, float by) {
  for (int64_t j = 0; j < size; ++j) row[j] *= by;
}

// The rows of a state before the first time, or zeros where there is none.
inline void start(float* to, const float* from, int64_t first, int64_t size, int64_t hidden) {
  if (from) {
    std::copy_n(from + first * hidden, size, to);
  } else {
    std::fill_n(to, size, 0.0f);
  }
}

}  // namespace netc
