// The one inner loop of all convolutions: a tile of `pixels` rows by `vectors` vectors of columns, kept in registers
// while it sums over a rectangle of terms. Tiles are instantiated for every shape that the registers hold.
#pragma once

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "vector.h"

namespace netc {

constexpr int kMostVectors = kAccumulators >= 24 ? 4 : 3;
constexpr int kMostPixels = 12;
constexpr bool fits(int pixels, int vectors) { return pixels * vectors <= kAccumulators; }

// Sum over outer < `outers` and inner < `inners` of a[pixel * step + outer * a_outer + inner * a_inner] times the row
// b[outer * b_outer + inner * b_inner ...].
struct Terms {
  const float* a;
  int64_t step, a_outer, a_inner;
  const float* b;
  int64_t b_outer, b_inner;
  int64_t outers, inners;
};

template <int pixels, int vectors>
inline __attribute__((always_inline)) void add_products(const Terms& t, Floats (&sum)[pixels][vectors]) {
  const float *a_row = t.a, *b_row = t.b;
  const int64_t step = t.step, a_inner = t.a_inner, b_inner = t.b_inner;
  for (int64_t outer = 0; outer < t.outers; ++outer, a_row += t.a_outer, b_row += t.b_outer) {
    const float *a = a_row, *b = b_row;
    for (int64_t inner = t.inners; inner > 0; --inner, a += a_inner, b += b_inner) {
      Floats row[vectors];
      for (int v = 0; v < vectors; ++v) row[v] = load(b + v * kWidth);
      for (int p = 0; p < pixels; ++p) {
        const Floats x = all(a[p * step]);
        for (int v = 0; v < vectors; ++v) sum[p][v] += x * row[v];
      }
    }
  }
}

// What a tile starts from and where it goes: `lanes` columns of each row are stored, rows `out_step` apart.
struct Target {
  float* out;
  int64_t out_step;
  int lanes;
  const float* bias;  // one number a column, padded to whole vectors; null for none
  bool relu;          // negative sums become 0; NaN stays
  bool adds;          // to what is there; needs lanes for whole vectors
};

template <int pixels, int vectors>
void tile(const Terms& terms, const Target& to) {
  Floats sum[pixels][vectors];
  for (int p = 0; p < pixels; ++p)
    for (int v = 0; v < vectors; ++v) sum[p][v] = to.adds ? load(to.out + p * to.out_step + v * kWidth) : to.bias ? load(to.bias + v * kWidth) : Floats{};
  add_products<pixels, vectors>(terms, sum);
  if (to.relu)
    for (int p = 0; p < pixels; ++p)
      for (int v = 0; v < vectors; ++v) sum[p][v] = sum[p][v] < Floats{} ? Floats{} : sum[p][v];
  const int last = to.lanes - (vectors - 1) * kWidth;
  for (int p = 0; p < pixels; ++p) {
    float* out = to.out + p * to.out_step;
    for (int v = 0; v + 1 < vectors; ++v) store(out + v * kWidth, sum[p][v]);
    if (last >= kWidth) {
      store(out + (vectors - 1) * kWidth, sum[p][vectors - 1]);
    } else {
      store(out + (vectors - 1) * kWidth, sum[p][vectors - 1], last);
    }
  }
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

// How many pixels a tile of `vectors` vectors should take where `count` are to be covered, the last tile overlapping the one before.
// Cycles of the inner loop: two multiply-adds or two loads each, and four before a sum can be added to again.
inline int best_pixels(int vectors, int64_t count) {
  int best = 1;
  double least = 1e30;
  for (int pixels = 1; pixels <= std::min<int64_t>(count, kMostPixels) && fits(pixels, vectors); ++pixels) {
    const double cycles = std::max({pixels * vectors * 0.5, (pixels + vectors) * 0.5, 4.0}) + 0.5;
    const double cost = static_cast<double>((count + pixels - 1) / pixels) * cycles;
    if (cost < least) least = cost, best = pixels;
  }
  return best;
}

// `columns` cut into blocks of at most kMostVectors vectors, as even as can be.
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
