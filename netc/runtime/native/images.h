// Images and filters in the layout that tiles read, and the correlation of one image with filters.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "kernel.h"
#include "tiles.h"
#include "window.h"

namespace netc {

constexpr int64_t kMostCopied = 1 << 30;  // floats of an image including its padding
constexpr int64_t kFewTerms = 16;         // with fewer terms, a filter row is too short a loop, so rows are joined

// One convolution: images of height x width x channels, filters of kernel_h x kernel_w.
struct Geometry : Window {
  int64_t height, width, channels, kernel_h, kernel_w;

  Geometry(const Window& window, int64_t height, int64_t width, int64_t channels, int64_t kernel_h, int64_t kernel_w)
      : Window(window), height(height), width(width), channels(channels), kernel_h(kernel_h), kernel_w(kernel_w) {
    elements({height, width, channels}), elements({kernel_h, kernel_w, channels});
    need(kernel_h <= padded_h() && kernel_w <= padded_w(), "kernels of ", Shape{kernel_h, kernel_w},
         " do not fit into padded images of ", Shape{padded_h(), padded_w()});
    if (copies()) elements({joins_rows() ? out_h() * kernel_h : padded_h(), padded_w(), channels}, kMostCopied);
  }
  // The convolution of a run, whose sizes the op declares as H, W, C, KH and KW.
  Geometry(const Window& window, const Sizes& sizes)
      : Geometry(window, sizes["H"], sizes["W"], sizes["C"], sizes["KH"], sizes["KW"]) {}

  int64_t padded_h() const { return height + top + bottom; }
  int64_t padded_w() const { return width + left + right; }
  int64_t out_h() const { return (padded_h() - kernel_h) / stride_h + 1; }
  int64_t out_w() const { return (padded_w() - kernel_w) / stride_w + 1; }
  int64_t pixels() const { return out_h() * out_w(); }
  int64_t image() const { return height * width * channels; }

  // If there are few channels, the rows under a filter become channels: (out_h, padded_w, kernel_h * channels).
  bool joins_rows() const { return kernel_w * channels < kFewTerms && kernel_h > 1; }
  bool copies() const { return joins_rows() || (top | left | bottom | right) != 0; }
  int64_t copy_size() const {
    return joins_rows() ? out_h() * padded_w() * kernel_h * channels : padded_h() * padded_w() * channels;
  }

  // How tiles traverse a prepared image.
  int64_t prepared_size() const { return copies() ? copy_size() : image(); }
  int64_t depth() const { return joins_rows() ? kernel_h * channels : channels; }
  int64_t rows() const { return joins_rows() ? 1 : kernel_h; }
  int64_t row_terms() const { return kernel_w * depth(); }
  int64_t row_pitch() const { return padded_w() * depth(); }
  int64_t line_pitch() const { return joins_rows() ? row_pitch() : stride_h * row_pitch(); }

  // The index of weight (y, x, c) of a filter among the terms.
  int64_t term(int64_t y, int64_t x, int64_t c) const {
    return joins_rows() ? (x * kernel_h + y) * channels + c : (y * kernel_w + x) * channels + c;
  }
  int64_t terms() const { return kernel_h * kernel_w * channels; }
};

// A copy of an image with its padding around it.
inline void pad_image(const Geometry& g, const float* image, float* copy) {
  const int64_t c = g.channels, pitch = g.padded_w() * c;
  std::fill_n(copy, g.top * pitch, 0.0f);
  for (int64_t y = 0; y < g.height; ++y) {
    float* row = copy + (g.top + y) * pitch;
    std::fill_n(row, g.left * c, 0.0f);
    std::memcpy(row + g.left * c, image + y * g.width * c, g.width * c * sizeof(float));
    std::fill_n(row + (g.left + g.width) * c, g.right * c, 0.0f);
  }
  std::fill_n(copy + (g.top + g.height) * pitch, g.bottom * pitch, 0.0f);
}

// A padded copy in which each pixel contains the kernel_h rows below it. If it were inlined, its loops would not be
// vectorized.
__attribute__((noinline)) inline void join_rows(const Geometry& g, const float* image, float* copy) {
  const int64_t c = g.channels, depth = g.depth(), end = g.left + g.width;
  for (int64_t oy = 0; oy < g.out_h(); ++oy, copy += g.row_pitch())
    for (int64_t k = 0; k < g.kernel_h; ++k) {
      const int64_t y = oy * g.stride_h + k - g.top;
      const bool inside = y >= 0 && y < g.height;
      float* to = copy + k * c;
      const auto clear = [&](int64_t first, int64_t last) {
        for (int64_t x = first; x < last; ++x) std::fill_n(to + x * depth, c, 0.0f);
      };
      clear(0, inside ? g.left : g.padded_w());
      if (!inside) continue;
      clear(end, g.padded_w());
      const float* from = image + y * g.width * c;
      const auto spread = [&](auto channels) {
        for (int64_t x = 0; x < g.width; ++x)
          for (int64_t i = 0; i < channels; ++i) to[(g.left + x) * depth + i] = from[x * channels + i];
      };
      // Grey and colour images: a compile-time count gives a loop without branches.
      if (c == 1) {
        spread(std::integral_constant<int64_t, 1>());
      } else if (c == 3) {
        spread(std::integral_constant<int64_t, 3>());
      } else {
        spread(c);
      }
    }
}

// The image as tiles read it: the image itself, or a copy in `scratch`.
inline const float* prepared(const Geometry& g, const float* image, float* scratch) {
  if (!g.copies()) return image;
  if (g.joins_rows()) {
    join_rows(g, image, scratch);
  } else {
    pad_image(g, image, scratch);
  }
  return scratch;
}

constexpr int64_t kPackedRows = 64;  // rows that one thread packs at a time

// A matrix in the layout that tiles read: for each block of columns, their rows, padded with zeros to complete vectors.
// row(i)(column) returns a number.
template <class F>
void pack_rows(const Context& context, int64_t rows, int64_t columns, float* packed, const F& row) {
  const std::vector<Block> blocks = blocks_of(columns);
  const int64_t parts = (rows + kPackedRows - 1) / kPackedRows;
  context.parallel_for(blocks.size() * parts, [&](size_t item) {
    const Block& block = blocks[item / parts];
    const int64_t first = item % parts * kPackedRows, end = std::min(rows, first + kPackedRows),
                  width = block.vectors * kWidth;
    float* to = packed + block.begin * rows + first * width;
    for (int64_t i = first; i < end; ++i) {
      const auto number = row(i);
      for (int64_t k = 0; k < width; ++k) *to++ = k < block.lanes ? number(block.begin + k) : 0.0f;
    }
  });
}

// Filters in the layout that tiles read: a row per term, a column per output. filter(y, x, c) points to the weight of
// output 0; those of the other outputs are `pitch` apart.
template <class F>
void pack(const Context& context, const Geometry& g, int64_t outputs, float* packed, int64_t pitch, const F& filter) {
  const int64_t c = g.channels;
  pack_rows(context, g.terms(), outputs, packed, [&](int64_t term) {
    const int64_t tap = term / c;
    const float* w = g.joins_rows() ? filter(tap % g.kernel_h, tap / g.kernel_h, term % c)
                                    : filter(tap / g.kernel_w, tap % g.kernel_w, term % c);
    return [=](int64_t output) { return w[output * pitch]; };
  });
}

// One image through packed filters: out is (out_h, out_w, outputs).
inline void correlate(const Geometry& g, const float* x, const float* packed, const float* bias, bool relu, int64_t outputs,
                      float* out) {
  const int64_t width = g.out_w(), terms = g.row_terms();
  for (const Block& block : blocks_of(outputs)) {
    const int64_t columns = block.vectors * kWidth;
    const int pixels = best_pixels(block.vectors, width);
    const Tile tile = kTiles[block.vectors - 1][pixels - 1];
    for (int64_t oy = 0; oy < g.out_h(); ++oy) {
      // Rows that contain only padding add nothing.
      const int64_t y = oy * g.stride_h - g.top;
      const int64_t first = g.joins_rows() ? 0 : std::clamp<int64_t>(-y, 0, g.kernel_h);
      const int64_t end = g.joins_rows() ? 1 : std::clamp<int64_t>(g.height - y, first, g.kernel_h);
      for (int64_t o = 0; o < width; o += pixels) {
        const int64_t ox = std::min(o, width - pixels);
        const float* corner = x + oy * g.line_pitch() + first * g.row_pitch() + ox * g.stride_w * g.depth();
        tile({corner,
              g.stride_w * g.depth(),
              packed + first * terms * columns,
              kOnce,
              {end - first, g.row_pitch(), terms * columns},
              {terms, 1, columns}},
             {out + (oy * width + ox) * outputs + block.begin, outputs, block.lanes, bias ? bias + block.begin : nullptr,
              relu, false});
      }
    }
    packed += g.terms() * columns;
  }
}

}  // namespace netc
