// Recursive nets over batches of trees, level by level, and their gradient: the nodes of a level are independent of each other.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "packed.h"

namespace netc {
namespace {

constexpr int64_t kNodes = 16;       // of a level, that one thread takes at a time
constexpr size_t kMostLevels = 256;  // TreeData's max_height is no larger

// each(begin, end) over parts of `count` nodes.
template <class F>
void for_nodes(const Context& context, int64_t count, const F& each) {
  context.parallel_for(static_cast<size_t>((count + kNodes - 1) / kNodes), [&](size_t i) {
    const int64_t begin = static_cast<int64_t>(i) * kNodes;
    each(begin, std::min(count, begin + kNodes));
  });
}

// The levels of a batch: its leaves come first, then inner nodes by height.
struct Levels {
  Tensor<const int64_t> child, width;
  int64_t leaves, inner;

  // each(level, first of its inner nodes, how many); `back` from the highest.
  template <class F>
  void each(bool back, const F& f) const {
    const int64_t levels = width.size();
    int64_t begin = back ? inner : 0;
    for (int64_t i = 0; i < levels; ++i) {
      const int64_t level = back ? levels - 1 - i : i, count = width.data[level];
      if (back) begin -= count;
      f(static_cast<size_t>(level), begin, count);
      if (!back) begin += count;
    }
  }

  // Trees come from files: what does not fit would be read from elsewhere.
  void check() const {
    int64_t total = 0;
    for (int64_t k = 0; k < width.size(); ++k) {
      need(width.data[k] >= 0 && width.data[k] <= inner - total, "the widths of the levels do not add up to the inner nodes");
      total += width.data[k];
    }
    need(total == inner, "the widths of the levels do not add up to the inner nodes");
    each(false, [&](size_t, int64_t begin, int64_t count) {
      for (int64_t i = 2 * begin; i < 2 * (begin + count); ++i)
        need(child.data[i] >= 0 && child.data[i] < leaves + begin, "a child that is not below its level");
    });
  }
};

// Inputs leaf (leaves, d), child (inner, 2), width (levels,), W (d, 2d), b (d,) and V (d, 2d, 2d) or none. Outputs: the vectors of all
// nodes (nodes, d) and, with V, the maps of each level (count, d, 2d): tanh(map z + b) is a node's vector.
class Recursive : public Kernel {
 public:
  explicit Recursive(const Attributes&) {}

  void compute(const Context& context) const override {
    const auto b = context.input(4, {kSome}), leaf = context.input(0, {kAny, b.shape[0]});
    const int64_t d = b.shape[0], leaves = leaf.shape[0];
    const auto child = context.input<int64_t>(1, {kAny, 2}), width = context.input<int64_t>(2, {kAny});
    const auto w = context.input(3, {d, 2 * d}), v = context.optional_input(5, {d, 2 * d, 2 * d});
    const int64_t inner = child.shape[0], cells = v.data ? d * 2 * d : 0;
    const Levels levels{child, width, leaves, inner};
    levels.check();
    float* nodes = context.output(0, {leaves + inner, d});
    std::copy_n(leaf.data, leaves * d, nodes);
    Packed symmetric(2 * d, std::max<int64_t>(1, cells));
    const int64_t most = width.size() ? *std::max_element(width.data, width.data + width.size()) : 0;
    elements({most + 4 * d, cells}), elements({inner, 2 * d});
    const auto scratch = pool_.take(symmetric.size() + cells * 2 * d + padded(cells) + inner * 2 * d + most * cells);
    float *sum = scratch.data() + symmetric.size(), *bias = sum + cells * 2 * d, *pairs = bias + padded(cells), *own = pairs + inner * 2 * d;
    if (v.data) {
      std::fill_n(std::copy_n(w.data, cells, bias), padded(cells) - cells, 0.0f);
      context.parallel_for(static_cast<size_t>(d), [&](size_t a) { fold(v.data + a * 4 * d * d, sum + a * 4 * d * d, 2 * d); });
      symmetric.fill(context, scratch.data(), sum, 1, 2 * d);
    }
    levels.each(false, [&](size_t level, int64_t first, int64_t count) {
      float* kept = v.data ? context.optional_output(1 + level, {count, d, 2 * d}) : nullptr;
      float* maps = kept ? kept : own;
      for_nodes(context, count, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          for (int64_t side = 0; side < 2; ++side)
            std::copy_n(nodes + child.data[2 * (first + i) + side] * d, d, pairs + (2 * (first + i) + side) * d);
        const float* z = pairs + 2 * (first + begin) * d;
        if (v.data) symmetric.affine(z, 2 * d, end - begin, maps + begin * cells, cells, bias);
        for (int64_t i = begin; i < end; ++i)
          apply(v.data ? maps + i * cells : w.data, pairs + 2 * (first + i) * d, b.data, nodes + (leaves + first + i) * d, d);
      });
    });
  }

 private:
  // (v + v') / 2 of a square matrix.
  static void fold(const float* v, float* sum, int64_t size) {
    for (int64_t j = 0; j < size; ++j)
      for (int64_t k = 0; k < size; ++k) sum[j * size + k] = 0.5f * (v[j * size + k] + v[k * size + j]);
  }

  // y = tanh(map z + b), map (d, 2d).
  static void apply(const float* map, const float* z, const float* b, float* y, int64_t d) {
    for (int64_t a = 0; a < d; ++a) {
      Floats products = {};
      int64_t j = 0;
      for (; j + kWidth <= 2 * d; j += kWidth) products += load(map + a * 2 * d + j) * load(z + j);
      float sum = b[a];
      for (; j < 2 * d; ++j) sum += map[a * 2 * d + j] * z[j];
      for (int lane = 0; lane < kWidth; ++lane) sum += products[lane];
      y[a] = std::tanh(sum);
    }
  }

  mutable ScratchPool pool_;
};

// Inputs dy and nodes (nodes, d), child, width, W, and the maps of each level or none. Outputs: the gradients by leaf (leaves, d) and
// by what the inner nodes' tanh is of (inner, d). A node has one parent at most, which sends it dz = 2 dp map - dp W, or dp W without maps.
class RecursiveGrad : public Kernel {
 public:
  explicit RecursiveGrad(const Attributes&) {}

  void compute(const Context& context) const override {
    const int64_t d = context.input(4, {kSome, kSome}).shape[0];  // there are so many numbers in memory
    const auto w = context.input(4, {d, 2 * d}), nodes = context.input(1, {kAny, d}), dy = context.input(0, nodes.shape);
    const auto child = context.input<int64_t>(2, {kAny, 2}), width = context.input<int64_t>(3, {kAny});
    const int64_t inner = child.shape[0], leaves = nodes.shape[0] - inner;
    need(leaves >= 0, "there are more inner nodes than nodes");
    const Levels levels{child, width, leaves, inner};
    levels.check();
    float *dleaf = context.output(0, {leaves, d}), *dp = context.output(1, {inner, d});
    const bool mapped = context.optional_input(5, {width.size() ? width.data[0] : 0, d, 2 * d}).there;
    const auto scratch = pool_.take((leaves + inner) * d);
    float* sent = scratch.data();
    std::fill_n(sent, (leaves + inner) * d, 0.0f);
    levels.each(true, [&](size_t level, int64_t first, int64_t count) {
      const auto maps = mapped ? context.input(5 + level, {count, d, 2 * d}) : Tensor<const float>{};
      for_nodes(context, count, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t node = leaves + first + i;
          float* own = dp + (first + i) * d;
          for (int64_t a = 0; a < d; ++a) {
            const float y = nodes.data[node * d + a];
            own[a] = (dy.data[node * d + a] + sent[node * d + a]) * (1.0f - y * y);
          }
          send(own, mapped ? maps.data + i * d * 2 * d : nullptr, w.data, child.data + 2 * (first + i), sent, d);
        }
      });
    });
    for (int64_t i = 0; i < leaves * d; ++i) dleaf[i] = dy.data[i] + sent[i];
  }

 private:
  static void send(const float* dp, const float* map, const float* w, const int64_t* child, float* sent, int64_t d) {
    for (int64_t side = 0; side < 2; ++side) {
      float* to = sent + child[side] * d;
      for (int64_t a = 0; a < d; ++a) {
        const float *row = w + a * 2 * d + side * d, *mapped = map ? map + a * 2 * d + side * d : nullptr;
        const float by = dp[a];
#pragma GCC ivdep
        for (int64_t j = 0; j < d; ++j) to[j] += mapped ? by * (2.0f * mapped[j] - row[j]) : by * row[j];
      }
    }
  }

  mutable ScratchPool pool_;
};

std::vector<int> types(std::vector<int> first, size_t more) {
  first.insert(first.end(), more, ort::kFloat);
  return first;
}

}  // namespace

std::vector<Op> recursive_ops() {
  using ort::kFloat;
  using ort::kInt64;
  return {
      Op("Recursive", make<Recursive>, {kFloat, kInt64, kInt64, kFloat, kFloat, kFloat}, types({kFloat}, kMostLevels), 5),
      Op("RecursiveGrad", make<RecursiveGrad>, types({kFloat, kFloat, kInt64, kInt64, kFloat}, kMostLevels), {kFloat, kFloat}, 5),
  };
}

}  // namespace netc
