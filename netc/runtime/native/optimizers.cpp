// Optimizer updates: one pass over memory for a parameter, its gradient and its states, the weight decay included.
#include <algorithm>
#include <cmath>

#include "kernel.h"

namespace netc {
namespace {

constexpr int64_t kChunk = 1 << 14;  // elements that one thread takes at a time

// A rule changes one weight, given its gradient, and the `states` numbers that it keeps for that weight. Attributes are the op's.
struct Sgd {
  static constexpr int states = 1;
  static constexpr bool counts = false;
  float momentum;
  explicit Sgd(const Attributes& a) : momentum(a.number("momentum")) {}
  void operator()(float& w, float g, float rate, float (&s)[1]) const {
    s[0] = momentum * s[0] + rate * g;
    w -= s[0];
  }
};

struct Nesterov : Sgd {
  using Sgd::Sgd;
  void operator()(float& w, float g, float rate, float (&s)[1]) const {
    const float before = s[0];
    s[0] = momentum * before + rate * g;
    w -= (1.0f + momentum) * s[0] - momentum * before;
  }
};

struct AdaGrad {
  static constexpr int states = 1;
  static constexpr bool counts = false;
  float delta;
  explicit AdaGrad(const Attributes& a) : delta(a.number("delta")) {}
  void operator()(float& w, float g, float rate, float (&s)[1]) const {
    s[0] += g * g;
    w -= rate * g / (std::sqrt(s[0]) + delta);
  }
};

struct RmsProp {
  static constexpr int states = 1;
  static constexpr bool counts = false;
  float decay, delta;
  explicit RmsProp(const Attributes& a) : decay(a.number("rms_decay")), delta(a.number("delta")) {}
  void operator()(float& w, float g, float rate, float (&s)[1]) const {
    s[0] = decay * s[0] + (1.0f - decay) * g * g;
    w -= rate * g / (std::sqrt(s[0]) + delta);
  }
};

struct AdaDelta {
  static constexpr int states = 2;
  static constexpr bool counts = false;
  float momentum, delta;
  explicit AdaDelta(const Attributes& a) : momentum(a.number("momentum")), delta(a.number("delta")) {}
  void operator()(float& w, float g, float rate, float (&s)[2]) const {
    s[0] = momentum * s[0] + (1.0f - momentum) * g * g;
    const float u = g * std::sqrt((s[1] + delta) / (s[0] + delta));
    s[1] = momentum * s[1] + (1.0f - momentum) * u * u;
    w -= rate * u;
  }
};

// The rate comes with the correction for the number of this step in it.
struct Adam {
  static constexpr int states = 2;
  static constexpr bool counts = true;
  float momentum, momentum2, delta;
  explicit Adam(const Attributes& a) : momentum(a.number("momentum")), momentum2(a.number("momentum2")), delta(a.number("delta")) {}
  float correction(float step) const { return std::sqrt(1.0f - std::pow(momentum2, step)) / (1.0f - std::pow(momentum, step)); }
  void operator()(float& w, float g, float rate, float (&s)[2]) const {
    s[0] = momentum * s[0] + (1.0f - momentum) * g;
    s[1] = momentum2 * s[1] + (1.0f - momentum2) * g * g;
    w -= rate * s[0] / (std::sqrt(s[1]) + delta);
  }
};

// Inputs: weights, gradient, rate, states and, where the rule counts, the number of the step. Outputs: weights and states.
// The gradient gets weight_decay * w added; with `decoupled` the weight loses rate * weight_decay * w instead.
template <class Rule, bool decoupled = false>
class Update : public Kernel {
 public:
  explicit Update(const Attributes& attributes) : rule_(attributes), weight_decay_(attributes.number("weight_decay")) {}

  void compute(const Context& context) const override {
    const auto w = context.input_of_rank(0, 0), g = context.input(1, w.shape);
    const float plain_rate = context.number(2);
    float rate = plain_rate;
    if constexpr (Rule::counts) rate *= rule_.correction(context.number(3 + Rule::states));
    const float *from[Rule::states];
    float *to[Rule::states], *new_w = context.output(0, w.shape);
    for (int k = 0; k < Rule::states; ++k) from[k] = context.input(3 + k, w.shape).data, to[k] = context.output(1 + k, w.shape);
    const int64_t size = w.size();
    context.parallel_for((size + kChunk - 1) / kChunk, [&](size_t i) {
      const int64_t begin = static_cast<int64_t>(i) * kChunk;
      chunk(w.data, g.data, from, new_w, to, begin, std::min(size, begin + kChunk), rate, plain_rate * weight_decay_);
    });
  }

 private:
  void chunk(const float* w, const float* g, const float* const* from, float* new_w, float* const* to, int64_t begin, int64_t end, float rate,
             float shrink) const {
    const Rule rule = rule_;
    const float decay = decoupled ? 0.0f : weight_decay_;
    const float *a = from[0], *b = from[Rule::states - 1];
    float *new_a = to[0], *new_b = to[Rule::states - 1];
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      float weight = w[i], state[Rule::states];
      state[0] = a[i];
      if constexpr (Rule::states > 1) state[1] = b[i];
      rule(weight, decay != 0.0f ? g[i] + decay * w[i] : g[i], rate, state);
      new_w[i] = decoupled ? weight - shrink * w[i] : weight;
      new_a[i] = state[0];
      if constexpr (Rule::states > 1) new_b[i] = state[1];
    }
  }

  Rule rule_;
  float weight_decay_;
};

template <class Rule, bool decoupled = false>
Op update_op(const char* name) {
  const size_t states = Rule::states, scalars = Rule::counts;
  return Op(name, make<Update<Rule, decoupled>>, std::vector<int>(3 + states + scalars, ort::kFloat), std::vector<int>(1 + states, ort::kFloat),
            3 + states + scalars);
}

}  // namespace

std::vector<Op> optimizer_ops() {
  return {
      update_op<Sgd>("SGD"),         update_op<Nesterov>("Nesterov"), update_op<AdaGrad>("AdaGrad"),   update_op<RmsProp>("RMSProp"),
      update_op<AdaDelta>("AdaDelta"), update_op<Adam>("Adam"),         update_op<Adam, true>("AdamW"),
  };
}

}  // namespace netc
