// The inner loop of all convolutions: a tile of `pixels` rows by `vectors` vectors of columns, kept in registers while
// it sums over a rectangle of terms. Tiles are instantiated for every shape that fits in the registers.
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include "vector.h"

namespace netc {

constexpr int kMostVectors = kAccumulators >= 24 ? 4 : 3;
constexpr int kMostPixels = 12;
constexpr bool fits(int pixels, int vectors) { return pixels * vectors <= kAccumulators; }

// A loop of a sum: the number of iterations, and the steps in `a` and in `b`.
struct Loop {
  int64_t count, a, b;
};

constexpr Loop kOnce{1, 0, 0};

// The sum over three loops, the innermost last, of a[pixel * step] times the row b[0], b[1] ...
struct Terms {
  const float* a;
  int64_t step;
  const float* b;
  Loop outer, middle, inner;
};

// Calls each(pixel, vector) for every register of a tile. It is unrolled, so that sums stay in registers.
template <int pixels, int vectors, class F>
inline __attribute__((always_inline)) void for_sums(const F& each) {
#pragma GCC unroll 16
  for (int p = 0; p < pixels; ++p)
#pragma GCC unroll 16
    for (int v = 0; v < vectors; ++v) each(p, v);
}

// Three pixels share a pointer to the first of them, so the pointers and the step suffice to address all pixels.
template <int pixels, int vectors>
inline __attribute__((always_inline)) void add_products(const Terms& t, Floats (&sum)[pixels][vectors]) {
  constexpr int threes = (pixels + 2) / 3;
  const int64_t step = t.step;
  const Loop inner = t.inner;
  for (int64_t i = 0; i < t.outer.count; ++i)
    for (int64_t j = 0; j < t.middle.count; ++j) {
      const float *b = t.b + i * t.outer.b + j * t.middle.b, *a[threes];
      for (int k = 0; k < threes; ++k) a[k] = t.a + i * t.outer.a + j * t.middle.a + 3 * k * step;
      for (int64_t left = inner.count; left > 0; --left, b += inner.b) {
        Floats row[vectors];
        for (int v = 0; v < vectors; ++v) row[v] = load(b + v * kWidth);
        for_sums<pixels, vectors>([&](int p, int v) { sum[p][v] += a[p / 3][p % 3 * step] * row[v]; });
        for (int k = 0; k < threes; ++k) a[k] += inner.a;
      }
    }
}

// The initial values and the target of a tile: `lanes` columns of each row are stored, rows are `out_step` apart.
struct Target {
  float* out;
  int64_t out_step;
  int lanes;
  const float* bias;  // one number per column, padded to complete vectors; null for none
  bool relu;          // negative sums become 0; NaN stays
  bool adds;          // adds to the target's values; needs lanes for complete vectors
};

template <int pixels, int vectors>
void tile(const Terms& terms, const Target& to) {
  Floats sum[pixels][vectors];
  if (to.adds) {
    for_sums<pixels, vectors>([&](int p, int v) { sum[p][v] = load(to.out + p * to.out_step + v * kWidth); });
  } else {
    for_sums<pixels, vectors>([&](int p, int v) { sum[p][v] = to.bias ? load(to.bias + v * kWidth) : Floats{}; });
  }
  add_products<pixels, vectors>(terms, sum);
  const Floats least = all(to.relu ? 0.0f : -std::numeric_limits<float>::infinity());
  const int last = to.lanes - (vectors - 1) * kWidth;
  for_sums<pixels, vectors>([&](int p, int v) {
    const Floats y = sum[p][v] < least ? least : sum[p][v];
    float* out = to.out + p * to.out_step + v * kWidth;
    if (v + 1 < vectors || last >= kWidth) {
      store(out, y);
    } else {
      store(out, y, last);
    }
  });
}

using Tile = void (*)(const Terms&, const Target&);

template <int vectors, int... pixels>
constexpr std::array<Tile, sizeof...(pixels)> tile_row(std::integer_sequence<int, pixels...>) {
  return {{[] {
    if constexpr (fits(pixels + 1, vectors)) {
      return static_cast<Tile>(&tile<pixels + 1, vectors>);
    } else {
      return static_cast<Tile>(nullptr);
    }
  }()...}};
}

template <int... vectors>
constexpr std::array<std::array<Tile, kMostPixels>, sizeof...(vectors)> tile_table(std::integer_sequence<int, vectors...>) {
  return {{tile_row<vectors + 1>(std::make_integer_sequence<int, kMostPixels>())...}};
}

// The tile of a shape: kTiles[vectors - 1][pixels - 1].
inline constexpr auto kTiles = tile_table(std::make_integer_sequence<int, kMostVectors>());

// The number of pixels per tile of `vectors` vectors, to cover `count` pixels; the last tile overlaps the previous one.
// The inner loop takes one cycle for two multiply-adds or two loads, and four before a sum can be added to again.
constexpr int computed_best_pixels(int vectors, int64_t count) {
  int best = 1;
  double least = 1e30;
  for (int pixels = 1; pixels <= std::min<int64_t>(count, kMostPixels) && fits(pixels, vectors); ++pixels) {
    const double cycles = std::max({pixels * vectors * 0.5, (pixels + vectors) * 0.5, 4.0}) + 0.5;
    const double cost = static_cast<double>((count + pixels - 1) / pixels) * cycles;
    if (cost < least) least = cost, best = pixels;
  }
  return best;
}

// The results for at most kMostPixels pixels, which small products ask for often.
inline constexpr auto kBestPixels = [] {
  std::array<std::array<int, kMostPixels + 1>, kMostVectors + 1> best{};
  for (int vectors = 1; vectors <= kMostVectors; ++vectors)
    for (int count = 0; count <= kMostPixels; ++count) best[vectors][count] = computed_best_pixels(vectors, count);
  return best;
}();
inline int best_pixels(int vectors, int64_t count) {
  return count <= kMostPixels ? kBestPixels[vectors][count] : computed_best_pixels(vectors, count);
}

// Cuts `columns` into blocks of at most kMostVectors vectors, of nearly equal size.
struct Block {
  int64_t begin;
  int vectors, lanes;
};
inline std::vector<Block> blocks_of(int64_t columns) {
  const int64_t vectors = (columns + kWidth - 1) / kWidth, count = (vectors + kMostVectors - 1) / kMostVectors;
  std::vector<Block> blocks;
  int64_t begin = 0;
  for (int64_t i = 0; i < count; ++i) {
    const int width = static_cast<int>(vectors / count + (i < vectors % count));
    blocks.push_back({begin, width, static_cast<int>(std::min<int64_t>(width * kWidth, columns - begin))});
    begin += width * kWidth;
  }
  return blocks;
}
inline int64_t padded(int64_t columns) { return (columns + kWidth - 1) / kWidth * kWidth; }

}  // namespace netc
