// What every kernel is made of: attributes read once, tensors and threads of one run, scratch memory, registration.
#pragma once

#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "ort_abi.h"

namespace netc {

using Shape = std::vector<int64_t>;

// Throws what a status says.
void check(OrtStatus* status);

// The attributes of a node. A missing one is an error.
class Attributes {
 public:
  explicit Attributes(const OrtKernelInfo* info) : info_(info) {}
  int64_t integer(const char* name) const;
  float number(const char* name) const;
  Shape integers(const char* name, size_t count) const;

 private:
  const OrtKernelInfo* info_;
};

template <class T>
struct Tensor {
  T* data = nullptr;  // null where an optional input is left out
  Shape shape;
  int64_t size() const {
    int64_t n = 1;
    for (int64_t d : shape) n *= d;
    return n;
  }
};

// One run of a kernel.
class Context {
 public:
  explicit Context(OrtKernelContext* context) : context_(context) {}

  template <class T = float>
  Tensor<const T> input(size_t index) const {
    Tensor<const T> tensor;
    tensor.data = static_cast<const T*>(input_data(index, tensor.shape));
    return tensor;
  }

  template <class T = float>
  T* output(size_t index, const Shape& shape) const {
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

  const void* input_data(size_t index, Shape& shape) const;
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
  Scratch take(size_t size);

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
