// What every kernel is made of: attributes read once, tensors and threads of one run, scratch memory, registration.
#pragma once

#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "ort_abi.h"

namespace netc {

using Shape = std::vector<int64_t>;

// In a shape that is asked for: any size, and any but 0.
constexpr int64_t kAny = -1;
constexpr int64_t kSome = -2;

constexpr int64_t kMostExtent = 1 << 24;                 // of an attribute that is a size
constexpr int64_t kMostElements = int64_t{1} << 33;      // of a tensor

inline std::string text(const char* words) { return words; }
inline std::string text(int64_t number) { return std::to_string(number); }
std::string text(const Shape& shape);

// A model may come from anywhere: std::invalid_argument, made of the parts, unless `holds`.
template <class... Parts>
inline void need(bool holds, const Parts&... parts) {
  if (!holds) throw std::invalid_argument((text(parts) + ...));
}

// The product of sizes; an error where it is larger than `most`.
int64_t elements(const Shape& sizes, int64_t most = kMostElements);

// Throws what a status says.
void check(OrtStatus* status);

// The attributes of a node. A missing one is an error.
class Attributes {
 public:
  explicit Attributes(const OrtKernelInfo* info) : info_(info) {}
  int64_t integer(const char* name) const;
  float number(const char* name) const;
  // `count` sizes, none less than `least` or more than kMostExtent.
  Shape extents(const char* name, size_t count, int64_t least) const;

 private:
  const OrtKernelInfo* info_;
};

// The number of an element type.
template <class T>
constexpr int kType = ort::kFloat;
template <>
inline constexpr int kType<uint8_t> = ort::kUint8;
template <>
inline constexpr int kType<int64_t> = ort::kInt64;

template <class T>
struct Tensor {
  T* data = nullptr;  // null where an optional input is left out
  Shape shape;
  bool there = false;
  int64_t size() const { return elements(shape); }
};

// One run of a kernel. What a kernel relies on of its tensors is checked here: that they are there, their types and their shapes.
class Context {
 public:
  explicit Context(OrtKernelContext* context) : context_(context) {}

  // An input of this shape, in which kAny and kSome stand for sizes. An error where it is left out.
  template <class T = float>
  Tensor<const T> input(size_t index, const Shape& shape) const {
    return fitting(index, tensor<T>(index, true), shape);
  }

  // The same; without data where it is left out.
  template <class T = float>
  Tensor<const T> optional_input(size_t index, const Shape& shape) const {
    const auto found = tensor<T>(index, false);
    return found.there ? fitting(index, found, shape) : found;
  }

  // An input of any shape with at least `rank` dimensions.
  Tensor<const float> input_of_rank(size_t index, size_t rank) const;

  // The one number of an input.
  float number(size_t index) const;

  // An error where it is left out.
  template <class T = float>
  T* output(size_t index, const Shape& shape) const {
    T* data = optional_output<T>(index, shape);
    need(data || elements(shape) == 0, "output ", static_cast<int64_t>(index), " is left out");
    return data;
  }

  // Null where it is left out.
  template <class T = float>
  T* optional_output(size_t index, const Shape& shape) const {
    return static_cast<T*>(output_data(index, shape));
  }

  // Runs work(item) for each item on onnxruntime's own threads; items must not depend on each other.
  template <class F>
  void parallel_for(size_t items, const F& work) const {
    if (items <= 1) return items ? work(size_t{0}) : void();
    Guarded<F> guarded{work, {}, {}};
    check(ort::KernelContext_ParallelFor(context_, &Guarded<F>::run, items, size_t{0}, static_cast<void*>(&guarded)));
    if (guarded.error) std::rethrow_exception(guarded.error);
  }

 private:
  // No exception may leave a work item: the first is kept and thrown where the loop was started.
  template <class F>
  struct Guarded {
    const F& work;
    std::mutex lock;
    std::exception_ptr error;
    static void run(void* user, size_t item) {
      auto& self = *static_cast<Guarded*>(user);
      try {
        self.work(item);
      } catch (...) {
        std::lock_guard<std::mutex> held(self.lock);
        if (!self.error) self.error = std::current_exception();
      }
    }
  };

  template <class T>
  Tensor<const T> tensor(size_t index, bool required) const {
    Tensor<const T> found;
    found.data = static_cast<const T*>(input_data(index, kType<T>, found.shape, found.there));
    need(found.there || !required, "input ", static_cast<int64_t>(index), " is left out");
    return found;
  }

  template <class T>
  static Tensor<const T> fitting(size_t index, const Tensor<const T>& tensor, const Shape& shape) {
    check_shape(index, tensor.shape, shape);
    return tensor;
  }

  static void check_shape(size_t index, const Shape& found, const Shape& asked);
  const void* input_data(size_t index, int type, Shape& shape, bool& there) const;
  void* output_data(size_t index, const Shape& shape) const;
  OrtKernelContext* context_;
};

// Memory that a kernel keeps between runs. Each taker has its own piece until it lets go, so runs at the same time share none.
class ScratchPool {
 public:
  struct Free {
    void operator()(float* p) const { std::free(p); }
  };
  struct Piece {
    std::unique_ptr<float, Free> data;
    size_t size = 0;
  };

  // A piece on loan.
  class Scratch {
   public:
    Scratch(ScratchPool& pool, Piece piece) : pool_(&pool), piece_(std::move(piece)) {}
    Scratch(Scratch&& other) = default;
    Scratch& operator=(Scratch&&) = delete;
    ~Scratch() {
      if (piece_.data) pool_->give_back(std::move(piece_));
    }
    float* data() const { return piece_.data.get(); }

   private:
    ScratchPool* pool_;
    Piece piece_;
  };

  // At least `size` floats, their content arbitrary.
  Scratch take(int64_t size);

 private:
  void give_back(Piece piece);
  std::mutex lock_;
  std::vector<Piece> pieces_;
};

class Kernel {
 public:
  virtual ~Kernel() = default;
  // Runs at the same time on several threads.
  virtual void compute(const Context& context) const = 0;
};

// A kernel's name and types, as it stands in a table of ops.
struct Op : OrtCustomOp {
  using Make = Kernel* (*)(const Attributes&);
  Op(const char* name, Make make, std::vector<int> inputs, std::vector<int> outputs, size_t required);

  const char* name;
  Make make;
  std::vector<int> inputs, outputs;
  size_t required;  // inputs from this index on may be left out
};

template <class K>
Kernel* make(const Attributes& attributes) {
  return new K(attributes);
}

// The ops of each family.
std::vector<Op> convolution_ops();
std::vector<Op> pooling_ops();
std::vector<Op> elementwise_ops();
std::vector<Op> normalization_ops();
std::vector<Op> optimizer_ops();
std::vector<Op> lstm_ops();
std::vector<Op> gru_ops();
std::vector<Op> recursive_ops();

}  // namespace netc
