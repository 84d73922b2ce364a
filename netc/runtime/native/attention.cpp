// Attention of several heads over (time, batch, channels), and its gradient. A work item computes the heads of one row of
// the batch that share keys, so threads never wait for each other.
#include <algorithm>
#include <cmath>
#include <limits>

#include "kernel.h"
#include "packed.h"
#include "squash.h"

namespace netc {
namespace {

constexpr int64_t kRows = 12;  // queries that are computed at once

// The attributes, which give the number of heads H and the width Y of the outputs.
class Heads : public Kernel {
 public:
  explicit Heads(const Attributes& attributes)
      : heads_(attributes.integer("heads")),
        kv_heads_(attributes.integer("kv_heads")),
        packed_(attributes.integer("packed") != 0),
        causal_(attributes.integer("causal") != 0),
        dropout_(attributes.number("dropout")),
        rotary_(attributes.number("rotary")) {
    need(heads_ > 0 && kv_heads_ > 0 && heads_ % kv_heads_ == 0 && heads_ <= kMostExtent, "kv_heads must divide heads");
    need(dropout_ >= 0 && dropout_ < 1, "dropout must be at least 0 and below 1");
  }

  void derive(Sizes& sizes) const override {
    const int64_t size = head_size(sizes);
    sizes.set("H", heads_), sizes.set("Y", heads_ * size);
  }

 protected:
  int64_t head_size(const Sizes& sizes) const {
    const int64_t q = sizes["Q"], v = sizes["V"], parts = packed_ ? heads_ + 2 * kv_heads_ : heads_, size = q / parts;
    need(q % parts == 0 && v == (packed_ ? q : 2 * kv_heads_ * size), "the widths ", q, " and ", v, " do not fit the heads");
    need(rotary_ == 0 || (rotary_ > 0 && size % 2 == 0), "rotary needs heads of an even size");
    return size;
  }

  int64_t heads_, kv_heads_;
  bool packed_, causal_;
  float dropout_, rotary_;
};

// The sizes and inputs of one run.
struct Run {
  int64_t steps, keys, n, size, heads, kv_heads, q_width, v_width;
  const float *q, *kv, *noise;
  bool packed, causal;
  float dropout, scale;
  const float *cos = nullptr, *sin = nullptr;  // (time, size / 2)

  int64_t shared() const { return heads / kv_heads; }
  // Where a head's queries, keys and values start in row `row` of q and kv, and the distance of its time steps.
  int64_t query(int64_t row, int64_t head) const { return row * q_width + head * size; }
  int64_t key(int64_t row, int64_t head) const { return row * v_width + ((packed ? heads : 0) + head) * size; }
  int64_t value(int64_t row, int64_t head) const { return key(row, head) + kv_heads * size; }
  int64_t q_step() const { return n * q_width; }
  int64_t v_step() const { return n * v_width; }
  int64_t scores(int64_t row, int64_t head) const { return (row * heads + head) * steps * keys; }
  // The keys that the queries up to `last` may read.
  int64_t visible(int64_t last) const { return causal ? std::min(keys, last) : keys; }

  // Copies `count` time steps of a head to rows without gaps, times `factor`, after a rotation.
  void gather(const float* from, int64_t step, int64_t count, float factor, bool rotates, float* to) const {
    for (int64_t t = 0; t < count; ++t, from += step, to += size) {
      if (rotates && cos) {
        rotate(from, t, factor, 1.0f, to);
      } else {
        for (int64_t i = 0; i < size; ++i) to[i] = from[i] * factor;
      }
    }
  }

  // Copies rows that are `pitch` apart to the time steps of a head, after the rotation back.
  void scatter(const float* from, int64_t pitch, int64_t count, bool rotates, float* to, int64_t step) const {
    for (int64_t t = 0; t < count; ++t, from += pitch, to += step) {
      if (rotates && cos) {
        rotate(from, t, 1.0f, -1.0f, to);
      } else {
        std::copy_n(from, size, to);
      }
    }
  }

 private:
  void rotate(const float* from, int64_t t, float factor, float direction, float* to) const {
    const int64_t half = size / 2;
    const float *c = cos + t * half, *s = sin + t * half;
    for (int64_t i = 0; i < half; ++i) {
      const float a = from[i] * factor, b = from[half + i] * factor, turned = s[i] * direction;
      to[i] = a * c[i] - b * turned;
      to[half + i] = b * c[i] + a * turned;
    }
  }
};

// A piece of scratch memory that is handed out in parts.
struct Arena {
  float* next;
  float* take(int64_t size) {
    float* part = next;
    next += size;
    return part;
  }
};

class Attending : public Heads {
 public:
  using Heads::Heads;

 protected:
  Run run_of(const Context& context) const {
    const Sizes& sizes = context.sizes();
    Run run{sizes["T"], sizes["S"],         sizes["N"],          head_size(sizes),       heads_,  kv_heads_, sizes["Q"],
            sizes["V"], context.input("q"), context.input("kv"), context.input("noise"), packed_, causal_,   dropout_,
            0};
    need(!packed_ || run.steps == run.keys, "packed queries and keys differ in length");
    run.scale = 1.0f / std::sqrt(static_cast<float>(run.size));
    return run;
  }

  // Sets the tables of a run with rotations; `tables` has room for table_size(run).
  static int64_t table_size(const Run& run, float rotary) {
    return rotary > 0 ? elements({2, std::max(run.steps, run.keys), run.size / 2}) : 0;
  }
  void set_tables(Run& run, float* tables) const {
    if (rotary_ == 0) return;
    const int64_t half = run.size / 2, most = std::max(run.steps, run.keys);
    float *cos = tables, *sin = tables + most * half;
    for (int64_t i = 0; i < half; ++i) {
      const float rate = static_cast<float>(1.0 / std::pow(static_cast<double>(rotary_), static_cast<double>(i) / half));
      for (int64_t t = 0; t < most; ++t) {
        const float angle = static_cast<float>(t) * rate;
        cos[t * half + i] = std::cos(angle), sin[t * half + i] = std::sin(angle);
      }
    }
    run.cos = cos, run.sin = sin;
  }

  // to = from / (1 - dropout) where the noise is at least `dropout`, else 0.
  void drop(const float* from, const float* noise, int64_t count, float* to) const {
    const float kept = static_cast<float>(1.0 / (1.0 - static_cast<double>(dropout_)));
    for (int64_t j = 0; j < count; ++j) to[j] = from[j] * (noise[j] >= dropout_ ? kept : 0.0f);
  }

  mutable ScratchPool tables_, pool_;
};

// The first `count` numbers of a padded row become exp(x - maximum) / sum; the others, up to `end`, become 0.
void softmax(float* x, int64_t count, int64_t end) {
  const int64_t whole = count / kWidth * kWidth;
  const Ints beyond = lanes_from(static_cast<int>(count - whole));
  const Floats least = all(-std::numeric_limits<float>::infinity());
  Floats most = least;
  for (int64_t j = 0; j < whole; j += kWidth) {
    const Floats v = load(x + j);
    most = v > most ? v : most;
  }
  if (whole < count) {
    const Floats v = beyond ? least : load(x + whole);
    store(x + whole, v);
    most = v > most ? v : most;
  }
  const float top = max_of_lanes(most);
  const int64_t used = padded(count);
  Floats sums = {};
  for (int64_t j = 0; j < used; j += kWidth) {
    const Floats e = exp_of(load(x + j) - top);
    store(x + j, e), sums += e;
  }
  const float share = 1.0f / sum_of_lanes(sums);
  for (int64_t j = 0; j < used; j += kWidth) store(x + j, load(x + j) * share);
  for (int64_t j = used; j < end; j += kWidth) store(x + j, Floats{});
}

class Attention : public Attending {
 public:
  using Attending::Attending;

  void compute(const Context& context) const override {
    Run run = run_of(context);
    const auto tables = tables_.take(table_size(run, rotary_));
    set_tables(run, tables.data());
    const float* bias = context.input("bias");
    const int64_t bias_rows = bias ? context.size("A") : 0;
    need(!bias || bias_rows == 1 || bias_rows == run.steps, "the bias has ", bias_rows, " rows for ", run.steps,
         " time steps");
    float *y = context.output("y"), *weights = context.output("weights");
    const int64_t width = context.size("Y");
    const Packed key_shape(run.size, run.keys), value_shape(run.keys, run.size);
    const int64_t pitch = padded(run.keys), group = kRows * pitch;
    const int64_t floats = run.steps * run.size + run.keys * run.size + static_cast<int64_t>(key_shape.size()) +
                           static_cast<int64_t>(value_shape.size()) + group;
    elements({run.n, run.heads, run.steps, run.keys}), elements({floats});
    context.parallel_for(static_cast<size_t>(run.n * run.kv_heads), [&](size_t item) {
      const int64_t row = static_cast<int64_t>(item) / run.kv_heads, kv_head = static_cast<int64_t>(item) % run.kv_heads;
      const auto scratch = pool_.take(floats);
      Arena arena{scratch.data()};
      float *q = arena.take(run.steps * run.size), *k = arena.take(run.keys * run.size);
      Packed keys = key_shape, values = value_shape;
      run.gather(run.kv + run.key(row, kv_head), run.v_step(), run.keys, 1.0f, true, k);
      keys.fill(arena.take(static_cast<int64_t>(keys.size())), k, 1, run.size);
      values.fill(arena.take(static_cast<int64_t>(values.size())), run.kv + run.value(row, kv_head), run.v_step(), 1);
      float* rows = arena.take(group);
      for (int64_t head = kv_head * run.shared(); head < (kv_head + 1) * run.shared(); ++head) {
        run.gather(run.q + run.query(row, head), run.q_step(), run.steps, run.scale, true, q);
        const int64_t at = run.scores(row, head);
        for (int64_t t = 0; t < run.steps; t += kRows) {
          const int64_t count = std::min(kRows, run.steps - t), visible = run.visible(t + count);
          keys.part({q + t * run.size, run.size, 1, count, 0, run.size}, visible, rows, pitch, Packed::Rows::kPadded);
          const Bias own{bias ? bias + row * bias_rows * run.keys : nullptr, bias_rows == 1 ? 0 : run.keys};
          weigh(run, own, at, t, count, rows, pitch, weights);
          values.part({rows, pitch, 1, count, 0, visible}, run.size, y + (t * run.n + row) * width + head * run.size,
                      run.n * width, Packed::Rows::kExact);
        }
      }
    });
  }

 private:
  // What is added to the scores of a row of the batch: `step` floats further for each query.
  struct Bias {
    const float* values;
    int64_t step;
  };

  // Turns the scores of `count` queries from time step t on into their weights, which the output at `at` has as well.
  void weigh(const Run& run, const Bias& bias, int64_t at, int64_t t, int64_t count, float* rows, int64_t pitch,
             float* weights) const {
    for (int64_t r = 0; r < count; ++r) {
      float *scores = rows + r * pitch, *out = weights + at + (t + r) * run.keys;
      const int64_t own = run.visible(t + r + 1);
      if (bias.values) {
        const float* more = bias.values + (t + r) * bias.step;
        for (int64_t j = 0; j < own; ++j) scores[j] += more[j];
      }
      softmax(scores, own, pitch);
      std::copy_n(scores, run.keys, out);
      if (run.noise) drop(out, run.noise + at + (t + r) * run.keys, run.keys, scores);
    }
  }
};

// The gradients with respect to q and kv; with `packed`, one of both.
class AttentionGrad : public Attending {
 public:
  using Attending::Attending;

  void compute(const Context& context) const override {
    Run run = run_of(context);
    const auto tables = tables_.take(table_size(run, rotary_));
    set_tables(run, tables.data());
    const float *dy = context.input("dy"), *dweights = context.input("dweights"), *weights = context.input("weights");
    float* dq = context.output("dq");
    float* dkv = packed_ ? dq : context.output("dkv");
    need(dkv, "output dkv is left out; it is required");
    const int64_t width = context.size("Y"), pitch = padded(run.size);
    const Shapes shapes(run);
    elements({run.n, run.heads, run.steps, run.keys}), elements({shapes.floats});
    context.parallel_for(static_cast<size_t>(run.n * run.kv_heads), [&](size_t item) {
      const int64_t row = static_cast<int64_t>(item) / run.kv_heads, kv_head = static_cast<int64_t>(item) % run.kv_heads;
      const auto scratch = pool_.take(shapes.floats);
      Arena arena{scratch.data()};
      float *k = arena.take(run.keys * run.size), *dk = arena.take(run.keys * pitch), *dv = arena.take(run.keys * pitch);
      Packed keys = shapes.keys, values = shapes.values;
      run.gather(run.kv + run.key(row, kv_head), run.v_step(), run.keys, run.scale, true, k);
      keys.fill(arena.take(static_cast<int64_t>(keys.size())), k, run.size, 1);
      values.fill(arena.take(static_cast<int64_t>(values.size())), run.kv + run.value(row, kv_head), 1, run.v_step());
      const Arena rest = arena;
      for (int64_t head = kv_head * run.shared(), first = head; head < first + run.shared(); ++head)
        by_head(run, shapes, keys, values, row, head, head > first, dy + row * width + head * run.size, run.n * width,
                dweights, weights, dq, dk, dv, rest);
      run.scatter(dk, pitch, run.keys, true, dkv + run.key(row, kv_head), run.v_step());
      run.scatter(dv, pitch, run.keys, false, dkv + run.value(row, kv_head), run.v_step());
    });
  }

 private:
  // The matrices of a work item: keys (S, D), values' (D, S), queries and outputs' gradients (T, D).
  struct Shapes {
    Packed keys, values, queries;
    int64_t floats;
    explicit Shapes(const Run& run)
        : keys(run.keys, run.size), values(run.size, run.keys), queries(run.steps, run.size) {
      const int64_t pitch = padded(run.size), dense = run.keys * run.size + 2 * run.keys * pitch;
      floats = dense + static_cast<int64_t>(keys.size() + values.size() + 2 * queries.size()) +
               run.steps * (2 * run.size + pitch) + (2 * run.steps + 1) * padded(run.keys);
    }
  };

  // Adds one head to dk and dv, or sets them, and writes its dq.
  void by_head(const Run& run, const Shapes& shapes, const Packed& keys, const Packed& values, int64_t row, int64_t head,
               bool adds, const float* dy, int64_t dy_step, const float* dweights, const float* weights, float* dq,
               float* dk, float* dv, Arena arena) const {
    const int64_t at = run.scores(row, head), pitch = padded(run.size);
    float *q = arena.take(run.steps * run.size), *g = arena.take(run.steps * run.size),
          *own_dq = arena.take(run.steps * pitch);
    const int64_t wide = padded(run.keys);
    float *ds = arena.take(run.steps * wide), *used = arena.take(run.steps * wide), *w = arena.take(wide);
    Packed queries = shapes.queries, outputs = shapes.queries;
    run.gather(run.q + run.query(row, head), run.q_step(), run.steps, run.scale, true, q);
    queries.fill(arena.take(static_cast<int64_t>(queries.size())), q, run.size, 1);
    run.gather(dy, dy_step, run.steps, 1.0f, false, g);
    outputs.fill(arena.take(static_cast<int64_t>(outputs.size())), g, run.size, 1);
    for (int64_t t = 0; t < run.steps; t += kRows) {
      const int64_t count = std::min(kRows, run.steps - t), visible = run.visible(t + count);
      values.part({g + t * run.size, run.size, 1, count, 0, run.size}, visible, ds + t * wide, wide, Packed::Rows::kPadded);
      for (int64_t r = t; r < t + count; ++r) {
        const int64_t place = at + r * run.keys;
        float *own = ds + r * wide, *shares = used + r * wide;
        std::copy_n(weights + place, run.keys, w);
        std::fill(w + run.keys, w + wide, 0.0f);
        if (run.noise) {
          drop(own, run.noise + place, visible, own);
          drop(w, run.noise + place, run.keys, shares);
        } else {
          std::copy_n(w, wide, shares);
        }
        for (int64_t j = 0; dweights && j < visible; ++j) own[j] += dweights[place + j];
        by_scores(w, padded(visible), own);
      }
      keys.part({ds + t * wide, wide, 1, count, 0, visible}, run.size, own_dq + t * pitch, pitch, Packed::Rows::kPadded);
    }
    run.scatter(own_dq, pitch, run.steps, true, dq + run.query(row, head), run.q_step());
    const auto kind = adds ? Packed::Rows::kAdds : Packed::Rows::kPadded;
    for (int64_t s = 0; s < run.keys; s += kRows) {
      const int64_t count = std::min(kRows, run.keys - s), first = run.causal ? std::min(s, run.steps) : 0;
      queries.part({ds + s, 1, wide, count, first, run.steps}, run.size, dk + s * pitch, pitch, kind);
      outputs.part({used + s, 1, wide, count, first, run.steps}, run.size, dv + s * pitch, pitch, kind);
    }
  }

  // ds becomes (ds - sum(ds w)) w, where ds is the gradient with respect to the weights w. Both rows are padded.
  static void by_scores(const float* w, int64_t count, float* ds) {
    Floats sums = {};
    for (int64_t j = 0; j < count; j += kWidth) sums += load(ds + j) * load(w + j);
    const float through = sum_of_lanes(sums);
    for (int64_t j = 0; j < count; j += kWidth) store(ds + j, (load(ds + j) - through) * load(w + j));
  }
};

const Registration kAttention = op<Attention>("Attention")
                                    .derived("H Y")
                                    .input("q", "T N Q")
                                    .input("kv", "S N V")
                                    .optional_input("bias", "N 1 A S")
                                    .optional_input("noise", "N H T S")
                                    .output("y", "T N Y")
                                    .output("weights", "N H T S");

const Registration kAttentionGrad = op<AttentionGrad>("AttentionGrad")
                                        .derived("H Y")
                                        .input("dy", "T N Y")
                                        .optional_input("dweights", "N H T S")
                                        .input("weights", "N H T S")
                                        .input("q", "T N Q")
                                        .input("kv", "S N V")
                                        .optional_input("noise", "N H T S")
                                        .output("dq", "T N Q")
                                        .optional_output("dkv", "S N V");

}  // namespace
}  // namespace netc
