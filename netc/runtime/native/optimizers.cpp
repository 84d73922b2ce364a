// Optimizer updates: one pass over memory for a parameter, its gradient and its states, including weight decay.
#include <algorithm>
#include <array>
#include <cmath>

#include "kernel.h"

namespace netc {
namespace {

constexpr int64_t kChunk = 1 << 14;  // elements per thread and step

// A state that a rule keeps for each weight: the names of its input and of its output.
struct State {
  const char *before, *after;
};

// A rule updates one weight and its states, given its gradient. Attributes are those of the op. A rule that counts
// receives the number of the step.
struct Sgd {
  static constexpr std::array<State, 1> kStates{{{"history", "new_history"}}};
  static constexpr bool kCounts = false;
  float momentum;
  explicit Sgd(const Attributes& a)
      : momentum(a.number("momentum")) {}
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
  static constexpr std::array<State, 1> kStates{{{"history", "new_history"}}};
  static constexpr bool kCounts = false;
  float delta;
  explicit AdaGrad(const Attributes& a)
      : delta(a.number("delta")) {}
  void operator()(float& w, float g, float rate, float (&s)[1]) const {
    s[0] += g * g;
    w -= rate * g / (std::sqrt(s[0]) + delta);
  }
};

struct RmsProp {
  static constexpr std::array<State, 1> kStates{{{"history", "new_history"}}};
  static constexpr bool kCounts = false;
  float decay, delta;
  explicit RmsProp(const Attributes& a)
      : decay(a.number("rms_decay")), delta(a.number("delta")) {}
  void operator()(float& w, float g, float rate, float (&s)[1]) const {
    s[0] = decay * s[0] + (1.0f - decay) * g * g;
    w -= rate * g / (std::sqrt(s[0]) + delta);
  }
};

struct AdaDelta {
  static constexpr std::array<State, 2> kStates{{{"gradients", "new_gradients"}, {"updates", "new_updates"}}};
  static constexpr bool kCounts = false;
  float momentum, delta;
  explicit AdaDelta(const Attributes& a)
      : momentum(a.number("momentum")), delta(a.number("delta")) {}
  void operator()(float& w, float g, float rate, float (&s)[2]) const {
    s[0] = momentum * s[0] + (1.0f - momentum) * g * g;
    const float u = g * std::sqrt((s[1] + delta) / (s[0] + delta));
    s[1] = momentum * s[1] + (1.0f - momentum) * u * u;
    w -= rate * u;
  }
};

// The rate already contains the correction for the number of this step.
struct Adam {
  static constexpr std::array<State, 2> kStates{{{"m", "new_m"}, {"v", "new_v"}}};
  static constexpr bool kCounts = true;
  float momentum, momentum2, delta;
  explicit Adam(const Attributes& a)
      : momentum(a.number("momentum")), momentum2(a.number("momentum2")), delta(a.number("delta")) {}
  float correction(float step) const {
    return std::sqrt(1.0f - std::pow(momentum2, step)) / (1.0f - std::pow(momentum, step));
  }
  void operator()(float& w, float g, float rate, float (&s)[2]) const {
    s[0] = momentum * s[0] + (1.0f - momentum) * g;
    s[1] = momentum2 * s[1] + (1.0f - momentum2) * g * g;
    w -= rate * s[0] / (std::sqrt(s[1]) + delta);
  }
};

// Adds weight_decay * w to the gradient; with `decoupled`, subtracts rate * weight_decay * w from the weight instead.
template <class Rule, bool decoupled = false>
class Update : public Kernel {
 public:
  explicit Update(const Attributes& attributes)
      : rule_(attributes), weight_decay_(attributes.number("weight_decay")) {}

  void compute(const Context& context) const override {
    const float *w = context.input("w"), *g = context.input("g");
    const float plain_rate = context.number("rate");
    float rate = plain_rate;
    if constexpr (Rule::kCounts) rate *= rule_.correction(context.number("step"));
    float* new_w = context.output("new_w");
    const float* from[kStates];
    float* to[kStates];
    for (size_t k = 0; k < kStates; ++k) {
      from[k] = context.input(Rule::kStates[k].before);
      to[k] = context.output(Rule::kStates[k].after);
    }
    const int64_t size = elements(context.sizes().leading());
    context.parallel_for((size + kChunk - 1) / kChunk, [&](size_t i) {
      const int64_t begin = static_cast<int64_t>(i) * kChunk;
      chunk(w, g, from, new_w, to, begin, std::min(size, begin + kChunk), rate, plain_rate * weight_decay_);
    });
  }

 private:
  static constexpr size_t kStates = Rule::kStates.size();

  void chunk(const float* w, const float* g, const float* const* from, float* new_w, float* const* to, int64_t begin,
             int64_t end, float rate, float shrink) const {
    const Rule rule = rule_;
    const float decay = decoupled ? 0.0f : weight_decay_;
    const float *a = from[0], *b = from[kStates - 1];
    float *new_a = to[0], *new_b = to[kStates - 1];
#pragma GCC ivdep
    for (int64_t i = begin; i < end; ++i) {
      float weight = w[i], state[kStates];
      state[0] = a[i];
      if constexpr (kStates > 1) state[1] = b[i];
      rule(weight, decay != 0.0f ? g[i] + decay * w[i] : g[i], rate, state);
      new_w[i] = decoupled ? weight - shrink * w[i] : weight;
      new_a[i] = state[0];
      if constexpr (kStates > 1) new_b[i] = state[1];
    }
  }

  Rule rule_;
  float weight_decay_;
};

template <class Rule, bool decoupled = false>
Op update(const char* name) {
  Op declared = op<Update<Rule, decoupled>>(name);
  declared.input("w", "...?").input("g", "...?").input("rate", "number").output("new_w", "...?");
  for (const State& state : Rule::kStates) declared.input(state.before, "...?").output(state.after, "...?");
  if (Rule::kCounts) declared.input("step", "number");
  return declared;
}

const Registration kSgd = update<Sgd>("SGD");
const Registration kNesterov = update<Nesterov>("Nesterov");
const Registration kAdaGrad = update<AdaGrad>("AdaGrad");
const Registration kRmsProp = update<RmsProp>("RMSProp");
const Registration kAdaDelta = update<AdaDelta>("AdaDelta");
const Registration kAdam = update<Adam>("Adam");
const Registration kAdamW = update<Adam, true>("AdamW");

}  // namespace
}  // namespace netc
