// The parts of a kernel: attributes, tensors, threads, scratch memory and a registration.
//
// A new kernel is one .cpp file with a class and one declaration, which adds it to the library:
//
//   class Scale : public Kernel {
//    public:
//     explicit Scale(const Attributes& attributes) : factor_(attributes.number("factor")) {}
//     void compute(const Context& context) const override;  // reads context.input("x"), writes context.output("y")
//     ...
//   };
//   const Registration kScale = op<Scale>("Scale").input("x", "N C").output("y", "N C");
#pragma once

#include <exception>
#include <mutex>
#include <string>
#include <vector>

#include "op.h"
#include "ort_abi.h"
#include "scratch.h"
#include "shape.h"

namespace netc {

// Throws the message of a status that is an error.
void check(OrtStatus* status);

// The attributes of a node. A missing attribute is an error.
class Attributes {
 public:
  explicit Attributes(const OrtKernelInfo* info)
      : info_(info) {}
  int64_t integer(const char* name) const;
  float number(const char* name) const;
  // `count` sizes between `least` and kMostExtent.
  Shape extents(const char* name, size_t count, int64_t least) const;

 private:
  const OrtKernelInfo* info_;
};

// One run of a kernel. Its inputs have the types and shapes that the op declares; otherwise there is no Context.
class Context {
 public:
  Context(const Op& op, const Kernel& kernel, OrtKernelContext* context);

  const Sizes& sizes() const { return sizes_; }
  int64_t size(const char* name) const { return sizes_[name]; }

  // The data of an input; null if it is optional and omitted.
  template <class T = float>
  const T* input(const char* name) const {
    return static_cast<const T*>(input_data(name, kType<T>));
  }

  // The value of an input that is a single number.
  float number(const char* name) const { return *input(name); }

  // The data of an output; null if it is optional and omitted.
  template <class T = float>
  T* output(const char* name) const {
    return static_cast<T*>(output_data(name, kType<T>, 0, 0));
  }

  // The data of one tensor of an input or output with several; `any` is the size that the op declares as `?`.
  const float* input(const char* name, size_t index, int64_t any) const;
  float* output(const char* name, size_t index, int64_t any) const {
    return static_cast<float*>(output_data(name, kType<float>, index, any));
  }

  // Whether an input is present; if it has several tensors, the first.
  bool has(const char* name) const;

  // Runs work(item) for each item on onnxruntime's own threads; items must not depend on each other.
  template <class F>
  void parallel_for(size_t items, const F& work) const {
    if (items <= 1) return items ? work(size_t{0}) : void();
    Guarded<F> guarded{work, {}, {}};
    check(ort::KernelContext_ParallelFor(context_, &Guarded<F>::run, items, size_t{0}, static_cast<void*>(&guarded)));
    if (guarded.error) std::rethrow_exception(guarded.error);
  }

 private:
  // Exceptions must not leave a work item. The first one is kept and thrown when the loop ends.
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

  // An input; its shape is in dims_.
  struct Tensor {
    const void* data = nullptr;
    bool there = false;
    size_t begin = 0, rank = 0;
  };

  void read(size_t index);
  void check_shape(size_t index);
  Shape shape_of(const Tensor& tensor) const;
  const Tensor* tensor(const Argument& argument, size_t index) const;
  const void* input_data(const char* name, int type) const;
  void* output_data(const char* name, int type, size_t index, int64_t any) const;

  const Op& op_;
  OrtKernelContext* context_;
  Sizes sizes_;
  std::vector<Tensor> tensors_;
  std::vector<int64_t> dims_;
};

}  // namespace netc
