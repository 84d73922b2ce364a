// Pooling of (N, H, W, C) images and its gradients, each image by one thread.
#include <algorithm>

#include "kernel.h"
#include "vector.h"

namespace netc {
namespace {

// The windows over an image: attributes of the node, and the sizes that they lead to.
struct Windows {
  int64_t kernel_h, kernel_w, stride_h, stride_w, top, left, bottom, right;

  explicit Windows(const Attributes& attributes) {
    const Shape kernel = attributes.extents("kernel_shape", 2, 1), strides = attributes.extents("strides", 2, 1),
                pads = attributes.extents("pads", 4, 0);
    kernel_h = kernel[0], kernel_w = kernel[1], stride_h = strides[0], stride_w = strides[1];
    top = pads[0], left = pads[1], bottom = pads[2], right = pads[3];
    need(std::max(top, bottom) < kernel_h && std::max(left, right) < kernel_w, "pads: a window would lie outside of the image");
  }
  // An error where a window is larger than an image with its padding.
  void fit(int64_t height, int64_t width) const {
    elements({height, width});
    need(kernel_h <= height + top + bottom && kernel_w <= width + left + right, "kernel_shape: ", Shape{kernel_h, kernel_w},
         " does not fit into padded images of ", Shape{height + top + bottom, width + left + right});
  }
  // The winner in a window is a byte.
  void fit_bytes() const { need(kernel_h * kernel_w <= 256, "kernel_shape: ", Shape{kernel_h, kernel_w}, " has more than 256 elements"); }
  int64_t out_h(int64_t height) const { return (height + top + bottom - kernel_h) / stride_h + 1; }
  int64_t out_w(int64_t width) const { return (width + left + right - kernel_w) / stride_w + 1; }

  // Windows that tile the image: each element is in exactly one.
  bool tile(int64_t height, int64_t width) const {
    return !(top | left | bottom | right) && kernel_h == stride_h && kernel_w == stride_w && height % kernel_h == 0 && width % kernel_w == 0;
  }
};

// One window, clipped to the image: rows [y0, y1) and columns [x0, x1) of it lie inside, counted from (base_y, base_x).
struct Window {
  int64_t base_y, base_x, y0, y1, x0, x1;
  Window(const Windows& w, int64_t oy, int64_t ox, int64_t height, int64_t width)
      : base_y(oy * w.stride_h - w.top), base_x(ox * w.stride_w - w.left), y0(std::max<int64_t>(0, -base_y)),
        y1(std::min(w.kernel_h, height - base_y)), x0(std::max<int64_t>(0, -base_x)), x1(std::min(w.kernel_w, width - base_x)) {}
};

// each(window, index of the output pixel in the image) over the windows of one image.
template <class F>
void for_windows(const Windows& w, int64_t height, int64_t width, int64_t out_h, int64_t out_w, const F& each) {
  for (int64_t oy = 0; oy < out_h; ++oy)
    for (int64_t ox = 0; ox < out_w; ++ox) each(Window(w, oy, ox, height, width), oy * out_w + ox);
}

// (y, winner): the first maximum of each window and where in the window it is. A NaN is greater than any number.
class MaxPool : public Kernel {
 public:
  explicit MaxPool(const Attributes& attributes) : windows_(attributes) {}

  void compute(const Context& context) const override {
    const auto x = context.input(0, {kAny, kSome, kSome, kAny});
    const int64_t n = x.shape[0], height = x.shape[1], width = x.shape[2], c = x.shape[3];
    windows_.fit(height, width);
    const int64_t out_h = windows_.out_h(height), out_w = windows_.out_w(width);
    float* y = context.output(0, {n, out_h, out_w, c});
    uint8_t* winner = context.optional_output<uint8_t>(1, {n, out_h, out_w, c});
    if (winner) windows_.fit_bytes();
    context.parallel_for(n, [&](size_t i) {
      const float* image = x.data + i * height * width * c;
      for_windows(windows_, height, width, out_h, out_w, [&](const Window& at, int64_t pixel) {
        const float* corner = image + (at.base_y * width + at.base_x) * c;
        const int64_t out = (i * out_h * out_w + pixel) * c;
        for_vectors(c, [&](int64_t lane, auto count, Ints) { one(corner + lane, width, c, at, y + out + lane, winner ? winner + out + lane : nullptr, count); });
      });
    });
  }

 private:
  template <class Count>
  void one(const float* corner, int64_t width, int64_t c, const Window& at, float* y, uint8_t* winner, Count count) const {
    Floats best = load(corner + (at.y0 * width + at.x0) * c, count);
    Ints place = all(static_cast<int32_t>(at.y0 * windows_.kernel_w + at.x0));
    for (int64_t dy = at.y0; dy < at.y1; ++dy)
      for (int64_t dx = at.x0; dx < at.x1; ++dx) {
        const Floats v = load(corner + (dy * width + dx) * c, count);
        const Ints better = (v > best) | ((v != v) & (best == best));
        best = better ? v : best;
        place = better ? all(static_cast<int32_t>(dy * windows_.kernel_w + dx)) : place;
      }
    store(y, best, count);
    if (winner) narrow(winner, place, count);
  }
  Windows windows_;
};

// Each dy goes to the winner of its window.
class MaxPoolGrad : public Kernel {
 public:
  explicit MaxPoolGrad(const Attributes& attributes) : windows_(attributes), spatial_(attributes.extents("spatial", 2, 1)) {}

  void compute(const Context& context) const override {
    const int64_t height = spatial_[0], width = spatial_[1];
    windows_.fit(height, width);
    windows_.fit_bytes();
    const auto dy = context.input(1, {kAny, windows_.out_h(height), windows_.out_w(width), kAny});
    const auto winner = context.input<uint8_t>(0, dy.shape);
    const int64_t n = dy.shape[0], out_h = dy.shape[1], out_w = dy.shape[2], c = dy.shape[3];
    float* dx = context.output(0, {n, height, width, c});
    const bool tile = windows_.tile(height, width);
    context.parallel_for(n, [&](size_t i) {
      float* image = dx + i * height * width * c;
      const int64_t out = i * out_h * out_w * c;
      if (tile) {
        spread<false>(winner.data + out, dy.data + out, image, out_h, out_w, c);
      } else {
        std::fill_n(image, height * width * c, 0.0f);
        spread<true>(winner.data + out, dy.data + out, image, out_h, out_w, c);
      }
    });
  }

 private:
  template <bool Adds>
  void spread(const uint8_t* winner, const float* dy, float* image, int64_t out_h, int64_t out_w, int64_t c) const {
    const int64_t height = spatial_[0], width = spatial_[1];
    for_windows(windows_, height, width, out_h, out_w, [&](const Window& at, int64_t pixel) {
      float* corner = image + (at.base_y * width + at.base_x) * c;
      for_vectors(c, [&](int64_t lane, auto count, Ints fresh) {
        const Ints g = reinterpret_cast<Ints>(load(dy + pixel * c + lane, count)) & (Adds ? fresh : lanes_from(0));
        const Ints place = widen(winner + pixel * c + lane, count);
        for (int64_t y = at.y0; y < at.y1; ++y)
          for (int64_t x = at.x0; x < at.x1; ++x) {
            float* to = corner + (y * width + x) * c + lane;
            const Floats part = reinterpret_cast<Floats>(g & (place == all(static_cast<int32_t>(y * windows_.kernel_w + x))));
            store(to, Adds ? load(to, count) + part : part, count);
          }
      });
    });
  }
  Windows windows_;
  Shape spatial_;
};

// The mean of each window, padding counted as zeros.
class AveragePool : public Kernel {
 public:
  explicit AveragePool(const Attributes& attributes) : windows_(attributes) {}

  void compute(const Context& context) const override {
    const auto x = context.input(0, {kAny, kSome, kSome, kAny});
    const int64_t n = x.shape[0], height = x.shape[1], width = x.shape[2], c = x.shape[3];
    windows_.fit(height, width);
    const int64_t out_h = windows_.out_h(height), out_w = windows_.out_w(width);
    float* y = context.output(0, {n, out_h, out_w, c});
    const float share = 1.0f / static_cast<float>(windows_.kernel_h * windows_.kernel_w);
    context.parallel_for(n, [&](size_t i) {
      const float* image = x.data + i * height * width * c;
      for_windows(windows_, height, width, out_h, out_w, [&](const Window& at, int64_t pixel) {
        const float* corner = image + (at.base_y * width + at.base_x) * c;
        float* out = y + (i * out_h * out_w + pixel) * c;
        for_vectors(c, [&](int64_t lane, auto count, Ints) {
          Floats sum = {};
          for (int64_t dy = at.y0; dy < at.y1; ++dy)
            for (int64_t dx = at.x0; dx < at.x1; ++dx) sum += load(corner + (dy * width + dx) * c + lane, count);
          store(out + lane, sum * share, count);
        });
      });
    });
  }

 private:
  Windows windows_;
};

// Each dy goes in equal parts to its window.
class AveragePoolGrad : public Kernel {
 public:
  explicit AveragePoolGrad(const Attributes& attributes) : windows_(attributes), spatial_(attributes.extents("spatial", 2, 1)) {}

  void compute(const Context& context) const override {
    const int64_t height = spatial_[0], width = spatial_[1];
    windows_.fit(height, width);
    const auto dy = context.input(0, {kAny, windows_.out_h(height), windows_.out_w(width), kAny});
    const int64_t n = dy.shape[0], out_h = dy.shape[1], out_w = dy.shape[2], c = dy.shape[3];
    float* dx = context.output(0, {n, height, width, c});
    const float share = 1.0f / static_cast<float>(windows_.kernel_h * windows_.kernel_w);
    context.parallel_for(n, [&](size_t i) {
      float* image = dx + i * height * width * c;
      std::fill_n(image, height * width * c, 0.0f);
      for_windows(windows_, height, width, out_h, out_w, [&](const Window& at, int64_t pixel) {
        float* corner = image + (at.base_y * width + at.base_x) * c;
        const float* from = dy.data + (i * out_h * out_w + pixel) * c;
        for_vectors(c, [&](int64_t lane, auto count, Ints fresh) {
          const Floats part = reinterpret_cast<Floats>(reinterpret_cast<Ints>(load(from + lane, count) * share) & fresh);
          for (int64_t y = at.y0; y < at.y1; ++y)
            for (int64_t x = at.x0; x < at.x1; ++x) {
              float* to = corner + (y * width + x) * c + lane;
              store(to, load(to, count) + part, count);
            }
        });
      });
    });
  }

 private:
  Windows windows_;
  Shape spatial_;
};

}  // namespace

std::vector<Op> pooling_ops() {
  using ort::kFloat;
  using ort::kUint8;
  return {
      Op("NhwcMaxPool", make<MaxPool>, {kFloat}, {kFloat, kUint8}, 1),
      Op("NhwcMaxPoolGrad", make<MaxPoolGrad>, {kUint8, kFloat}, {kFloat}, 2),
      Op("NhwcAveragePool", make<AveragePool>, {kFloat}, {kFloat}, 1),
      Op("NhwcAveragePoolGrad", make<AveragePoolGrad>, {kFloat}, {kFloat}, 1),
  };
}

}  // namespace netc
