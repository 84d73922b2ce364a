// What recurrent kernels over whole sequences share. An item of work is some rows of the batch through all times, so that threads
// never wait for each other; the weights are packed once and stay in the cache.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.h"
#include "tiles.h"

namespace netc {

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
