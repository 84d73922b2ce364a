// Recursive nets over batches of trees, level by level, and their gradient. The nodes of a level are independent of
// each other.
#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <vector>

#include "packed.h"

namespace netc {
namespace {

constexpr int64_t kNodes = 16;       // nodes of a level per thread and step
constexpr size_t kMostLevels = 256;  // the maximum of TreeData's max_height

// Calls each(begin, end) for parts of `count` nodes.
template <class F>
void for_nodes(const Context& context, int64_t count, const F& each) {
  context.parallel_for(static_cast<size_t>((count + kNodes - 1) / kNodes), [&](size_t i) {
    const int64_t begin = static_cast<int64_t>(i) * kNodes;
    each(begin, std::min(count, begin + kNodes));
  });
}

// The levels of a batch: its leaves come first, then inner nodes by height.
struct Levels {
  const int64_t *child, *width;  // two children of each inner node; number of inner nodes per level
  int64_t count, leaves, inner;

  explicit Levels(const Context& context, int64_t leaves)
      : child(context.input<int64_t>("child")),
        width(context.input<int64_t>("width")),
        count(context.size("LEVELS")),
        leaves(leaves),
        inner(context.size("INNER")) {
    check();
  }

  // Calls each(level, first of its inner nodes, their number); with `back`, from the highest level.
  template <class F>
  void each(bool back, const F& f) const {
    int64_t begin = back ? inner : 0;
    for (int64_t i = 0; i < count; ++i) {
      const int64_t level = back ? count - 1 - i : i, nodes = width[level];
      if (back) begin -= nodes;
      f(static_cast<size_t>(level), begin, nodes);
      if (!back) begin += nodes;
    }
  }

 private:
  // Trees come from files, so children and widths are checked: invalid ones would read other memory.
  void check() const {
    int64_t total = 0;
    for (int64_t k = 0; k < count; ++k) {
      need(width[k] >= 0 && width[k] <= inner - total, kWrongWidths);
      total += width[k];
    }
    need(total == inner, kWrongWidths);
    each(false, [&](size_t, int64_t begin, int64_t nodes) {
      for (int64_t i = 2 * begin; i < 2 * (begin + nodes); ++i)
        need(child[i] >= 0 && child[i] < leaves + begin, "input child names a node that is not below its level");
    });
  }
  static constexpr const char* kWrongWidths = "input width does not add up to the inner nodes of input child";
};

// A node's vector is tanh(map z + b), with the 2 d numbers z of its children. The map is w; with v, each node has its
// own map, which the gradient needs.
class Recursive : public Kernel {
 public:
  explicit Recursive(const Attributes&) {}

  void compute(const Context& context) const override {
    const int64_t d = context.size("D"), leaves = context.size("LEAVES"), inner = context.size("INNER");
    const float *leaf = context.input("leaf"), *w = context.input("w"), *b = context.input("b"), *v = context.input("v");
    const Levels levels(context, leaves);
    const int64_t cells = v ? d * 2 * d : 0;
    float* nodes = context.output("nodes", 0, leaves + inner);
    std::copy_n(leaf, leaves * d, nodes);
    Packed symmetric(2 * d, std::max<int64_t>(1, cells));
    const int64_t most = levels.count ? *std::max_element(levels.width, levels.width + levels.count) : 0;
    elements({most + 4 * d, cells}), elements({inner, 2 * d});
    const auto packed_floats = static_cast<int64_t>(symmetric.size());
    const auto scratch = pool_.take(packed_floats + cells * 2 * d + padded(cells) + inner * 2 * d + most * cells);
    float *sum = scratch.data() + packed_floats, *bias = sum + cells * 2 * d;
    float *pairs = bias + padded(cells), *own = pairs + inner * 2 * d;
    if (v) {
      std::fill_n(std::copy_n(w, cells, bias), padded(cells) - cells, 0.0f);
      context.parallel_for(static_cast<size_t>(d), [&](size_t a) { fold(v + a * 4 * d * d, sum + a * 4 * d * d, 2 * d); });
      symmetric.fill(context, scratch.data(), sum, 1, 2 * d);
    }
    levels.each(false, [&](size_t level, int64_t first, int64_t count) {
      float* kept = v ? context.output("maps", level, count) : nullptr;
      float* maps = kept ? kept : own;
      for_nodes(context, count, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i)
          for (int64_t side = 0; side < 2; ++side)
            std::copy_n(nodes + levels.child[2 * (first + i) + side] * d, d, pairs + (2 * (first + i) + side) * d);
        const float* z = pairs + 2 * (first + begin) * d;
        if (v) symmetric.affine(z, 2 * d, end - begin, maps + begin * cells, cells, bias);
        for (int64_t i = begin; i < end; ++i)
          apply(v ? maps + i * cells : w, pairs + 2 * (first + i) * d, b, nodes + (leaves + first + i) * d, d);
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

// A node has at most one parent, which passes it dz = 2 dp map - dp w, or dp w without maps. dp is the gradient with
// respect to the argument of the inner nodes' tanh.
class RecursiveGrad : public Kernel {
 public:
  explicit RecursiveGrad(const Attributes&) {}

  void compute(const Context& context) const override {
    const int64_t d = context.size("D"), inner = context.size("INNER"), leaves = context.size("NODES") - inner;
    need(leaves >= 0, "input child has more inner nodes than input nodes has nodes");
    const float *dy = context.input("dy"), *nodes = context.input("nodes"), *w = context.input("w");
    const Levels levels(context, leaves);
    float *dleaf = context.output("dleaf", 0, leaves), *dp = context.output("dp");
    const bool mapped = context.has("maps");
    const auto scratch = pool_.take((leaves + inner) * d);
    float* sent = scratch.data();
    std::fill_n(sent, (leaves + inner) * d, 0.0f);
    levels.each(true, [&](size_t level, int64_t first, int64_t count) {
      const float* maps = mapped ? context.input("maps", level, count) : nullptr;
      for_nodes(context, count, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          const int64_t node = leaves + first + i;
          float* own = dp + (first + i) * d;
          for (int64_t a = 0; a < d; ++a) {
            const float y = nodes[node * d + a];
            own[a] = (dy[node * d + a] + sent[node * d + a]) * (1.0f - y * y);
          }
          send(own, mapped ? maps + i * d * 2 * d : nullptr, w, levels.child + 2 * (first + i), sent, d);
        }
      });
    });
    for (int64_t i = 0; i < leaves * d; ++i) dleaf[i] = dy[i] + sent[i];
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

const Registration kRecursive = op<Recursive>("Recursive")
                                    .input("leaf", "LEAVES? D")
                                    .input<int64_t>("child", "INNER? 2")
                                    .input<int64_t>("width", "LEVELS?")
                                    .input("w", "D 2*D")
                                    .input("b", "D")
                                    .optional_input("v", "D 2*D 2*D")
                                    .output("nodes", "? D")
                                    .optional_output("maps", "? D 2*D", kMostLevels);

const Registration kRecursiveGrad = op<RecursiveGrad>("RecursiveGrad")
                                        .input("dy", "NODES? D")
                                        .input("nodes", "NODES? D")
                                        .input<int64_t>("child", "INNER? 2")
                                        .input<int64_t>("width", "LEVELS?")
                                        .input("w", "D 2*D")
                                        .optional_input("maps", "? D 2*D", kMostLevels)
                                        .output("dleaf", "? D")
                                        .output("dp", "INNER? D");

}  // namespace
}  // namespace netc
