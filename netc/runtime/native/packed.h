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
    context.parallel_for(blocks_.size(), [&](size_t i) { fill_block(blocks_[i], to, from, row_step, column_step); });
  }

  // The same on one thread, within a work item.
  void fill(float* to, const float* from, int64_t row_step, int64_t column_step) {
    data_ = to;
    for (const Block& block : blocks_) fill_block(block, to, from, row_step, column_step);
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

  // The rows of the left factor of a part of a product: element (row, k) is data[row * step + k * inner]. `first` to
  // `last` are the terms of the sum.
  struct Left {
    const float* data;
    int64_t step, inner, rows, first, last;
  };

  // The first `columns` columns of out = left times this matrix. If rows of `out` are padded, complete vectors are
  // written. With `adds`, which needs padded rows, out += the product.
  enum class Rows { kExact, kPadded, kAdds };
  void part(const Left& left, int64_t columns, float* out, int64_t out_step, Rows kind) const {
    for (const Block& block : blocks_) {
      if (block.begin >= columns) break;
      const int64_t width = block.vectors * kWidth, wanted = std::min<int64_t>(block.lanes, columns - block.begin);
      const int vectors = static_cast<int>((wanted + kWidth - 1) / kWidth), most = best_pixels(vectors, left.rows);
      const float* rows = data_ + block.begin * depth_ + left.first * width;
      for (int64_t r = 0; r < left.rows; r += most) {
        const int pixels = static_cast<int>(std::min<int64_t>(most, left.rows - r));
        const Terms terms{left.data + r * left.step + left.first * left.inner, left.step, rows, kOnce, kOnce,
                          {left.last - left.first, left.inner, width}};
        const int lanes = kind == Rows::kExact ? static_cast<int>(wanted) : vectors * kWidth;
        kTiles[vectors - 1][pixels - 1](
            terms, {out + r * out_step + block.begin, out_step, lanes, nullptr, false, kind == Rows::kAdds});
      }
    }
  }

 private:
  void fill_block(const Block& block, float* to, const float* from, int64_t row_step, int64_t column_step) const {
    const int64_t width = block.vectors * kWidth;
    float* row = to + block.begin * depth_;
    for (int64_t k = 0; k < depth_; ++k, row += width)
      for (int64_t j = 0; j < width; ++j)
        row[j] = j < block.lanes ? from[k * row_step + (block.begin + j) * column_step] : 0.0f;
  }

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
