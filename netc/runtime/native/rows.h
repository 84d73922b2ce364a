// Image batches as matrices, for normalization.
#pragma once

#include <algorithm>

#include "kernel.h"

namespace netc {

constexpr int64_t kChunk = 1 << 13;  // floats that fit in the L1 cache

// An image batch as a matrix with a row per pixel, cut into chunks of rows.
struct Rows {
  int64_t rows, channels, chunk;
  explicit Rows(const Context& context)
      : rows(elements(context.sizes().leading())), channels(context.size("C")) {
    elements({rows, channels});
    chunk = std::max<int64_t>(1, kChunk / std::max<int64_t>(1, channels));
  }
  int64_t chunks() const { return (rows + chunk - 1) / chunk; }
  int64_t begin(int64_t i) const { return i * chunk; }
  int64_t count(int64_t i) const { return std::min(chunk, rows - begin(i)); }
};

}  // namespace netc
