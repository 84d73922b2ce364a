// A matrix that is packed once for many small products.
#pragma once

#include <algorithm>
#include <vector>

#include "kernel.h"
#include "tiles.h"

namespace netc {

// A matrix of `depth` rows whose columns are stored in blocks, each (depth, its vectors), in the layout that tiles
// read.
class Packed {
 public:
  Packed(int64_t depth, int64_t columns)
      : depth_(depth), blocks_(blocks_of(columns)) {}
  size_t size() const { return static_cast<size_t>(depth_ * padded(blocks_.back().begin + blocks_.back().lanes)); }

  // Element (k, column) is from[k * row_step + column * column_step].
  void fill(const Context& context, float* to, const float* from, int64_t row_step, int64_t column_step) {
    data_ = to;
    context.parallel_for(blocks_.size(), [&](size_t i) {
      const Block& block = blocks_[i];
      const int64_t width = block.vectors * kWidth;
      float* row = to + block.begin * depth_;
      for (int64_t k = 0; k < depth_; ++k, row += width)
        for (int64_t j = 0; j < width; ++j)
          row[j] = j < block.lanes ? from[k * row_step + (block.begin + j) * column_step] : 0.0f;
    });
  }

  // out = a times this matrix, or with `adds` out += a times this matrix. The rows of a are `step` apart, those of out
  // `out_step`. out is padded.
  void product(const float* a, int64_t step, int64_t rows, float* out, int64_t out_step, bool adds) const {
    for_tiles(a, step, rows, [&](const Block& block, int64_t r, int width) {
      return Target{out + r * out_step + block.begin, out_step, width, nullptr, false, adds};
    });
  }

  // out = a times this matrix + `bias`, one number per column, padded. Nothing is written beyond the columns.
  void affine(const float* a, int64_t step, int64_t rows, float* out, int64_t out_step, const float* bias) const {
    for_tiles(a, step, rows, [&](const Block& block, int64_t r, int) {
      return Target{out + r * out_step + block.begin, out_step, block.lanes, bias + block.begin, false, false};
    });
  }

 private:
  // Calls target(block, first row, width of the block) for each tile of the product of `rows` rows of a.
  template <class F>
  void for_tiles(const float* a, int64_t step, int64_t rows, const F& target) const {
    for (const Block& block : blocks_) {
      const int width = block.vectors * kWidth, most = best_pixels(block.vectors, rows);
      for (int64_t r = 0; r < rows; r += most) {
        const int pixels = static_cast<int>(std::min<int64_t>(most, rows - r));
        const Terms terms{a + r * step, step, data_ + block.begin * depth_, kOnce, kOnce, {depth_, 1, width}};
        kTiles[block.vectors - 1][pixels - 1](terms, target(block, r, width));
      }
    }
  }

  int64_t depth_;
  std::vector<Block> blocks_;
  const float* data_ = nullptr;
};

}  // namespace netc
