// Pooling of (N, H, W, C) images and its gradients, with one thread per image.
#include <algorithm>

#include "kernel.h"
#include "vector.h"
#include "window.h"

namespace netc {
namespace {

// The attributes of a node.
struct Windows : Window {
  int64_t kernel_h, kernel_w;

  explicit Windows(const Attributes& attributes)
      : Window(attributes) {
    const Shape kernel = attributes.extents("kernel_shape", 2, 1);
    kernel_h = kernel[0], kernel_w = kernel[1];
    need(std::max(top, bottom) < kernel_h && std::max(left, right) < kernel_w,
         "attribute pads leaves a window outside of the image");
  }

  int64_t size() const { return kernel_h * kernel_w; }
  float share() const { return 1.0f / static_cast<float>(size()); }

  // The position of a maximum in its window is stored as a byte.
  void need_byte() const { need(size() <= 256, "kernel_shape ", Shape{kernel_h, kernel_w}, " has more than 256 elements"); }
};

// The images of a run and the windows over them.
struct Images {
  Windows windows;
  int64_t n, height, width, channels, out_h, out_w;

  Images(const Windows& windows, const Context& context)
      : windows(windows),
        n(context.size("N")),
        height(context.size("H")),
        width(context.size("W")),
        channels(context.size("C")),
        out_h(context.size("OH")),
        out_w(context.size("OW")) {}

  int64_t image() const { return height * width * channels; }
  int64_t pooled() const { return out_h * out_w * channels; }

  // Whether windows tile the image: each element is in exactly one.
  bool tiled() const {
    const Windows& w = windows;
    return !(w.top | w.left | w.bottom | w.right) && w.kernel_h == w.stride_h && w.kernel_w == w.stride_w &&
           height % w.kernel_h == 0 && width % w.kernel_w == 0;
  }
};

// The part of one window that lies inside the image: its rows [y0, y1) and columns [x0, x1). Its element (0, 0) is `corner`
// floats from the start of the image.
struct Clipped {
  int64_t y0, y1, x0, x1, corner;
  Clipped(const Images& of, int64_t oy, int64_t ox) {
    const Windows& w = of.windows;
    const int64_t base_y = oy * w.stride_h - w.top, base_x = ox * w.stride_w - w.left;
    y0 = std::max<int64_t>(0, -base_y), y1 = std::min(w.kernel_h, of.height - base_y);
    x0 = std::max<int64_t>(0, -base_x), x1 = std::min(w.kernel_w, of.width - base_x);
    corner = (base_y * of.width + base_x) * of.channels;
  }
};

// Calls each(window, floats to its output) for the windows of one image.
template <class F>
void for_windows(const Images& of, const F& each) {
  for (int64_t oy = 0; oy < of.out_h; ++oy)
    for (int64_t ox = 0; ox < of.out_w; ++ox) each(Clipped(of, oy, ox), (oy * of.out_w + ox) * of.channels);
}

class Pool : public Kernel {
 public:
  explicit Pool(const Attributes& attributes)
      : windows_(attributes) {}

  void derive(Sizes& sizes) const override {
    const int64_t height = sizes["H"], width = sizes["W"];
    elements({height, width});
    const int64_t padded_h = height + windows_.top + windows_.bottom, padded_w = width + windows_.left + windows_.right;
    need(windows_.kernel_h <= padded_h && windows_.kernel_w <= padded_w, "kernel_shape ",
         Shape{windows_.kernel_h, windows_.kernel_w}, " does not fit into padded images of ", Shape{padded_h, padded_w});
    sizes.set("OH", (padded_h - windows_.kernel_h) / windows_.stride_h + 1);
    sizes.set("OW", (padded_w - windows_.kernel_w) / windows_.stride_w + 1);
  }

 protected:
  Windows windows_;
};

// A gradient whose images have the size in the attribute `spatial`.
class PoolGrad : public Pool {
 public:
  explicit PoolGrad(const Attributes& attributes)
      : Pool(attributes), spatial_(attributes.extents("spatial", 2, 1)) {}

  void derive(Sizes& sizes) const override {
    sizes.set("H", spatial_[0]), sizes.set("W", spatial_[1]);
    Pool::derive(sizes);
  }

 private:
  Shape spatial_;
};

// The first maximum of each window and its position in the window. NaN counts as greater than any number.
class MaxPool : public Pool {
 public:
  using Pool::Pool;

  void compute(const Context& context) const override {
    const Images of(windows_, context);
    const float* x = context.input("x");
    float* y = context.output("y");
    uint8_t* winner = context.output<uint8_t>("winner");
    if (winner) windows_.need_byte();
    context.parallel_for(of.n, [&](size_t i) {
      const float* image = x + i * of.image();
      for_windows(of, [&](const Clipped& at, int64_t place) {
        const int64_t out = i * of.pooled() + place;
        for_vectors(of.channels, [&](int64_t lane, auto count, Ints) {
          uint8_t* kept = winner ? winner + out + lane : nullptr;
          one(image + at.corner + lane, of.width, of.channels, at, y + out + lane, kept, count);
        });
      });
    });
  }

 private:
  template <class Count>
  void one(const float* corner, int64_t width, int64_t c, const Clipped& at, float* y, uint8_t* winner, Count count) const {
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
};

// Each dy goes to the maximum of its window.
class MaxPoolGrad : public PoolGrad {
 public:
  using PoolGrad::PoolGrad;

  void compute(const Context& context) const override {
    windows_.need_byte();
    const Images of(windows_, context);
    const uint8_t* winner = context.input<uint8_t>("winner");
    const float* dy = context.input("dy");
    float* dx = context.output("dx");
    context.parallel_for(of.n, [&](size_t i) {
      float* image = dx + i * of.image();
      const int64_t out = i * of.pooled();
      if (of.tiled()) {
        spread<false>(of, winner + out, dy + out, image);
      } else {
        std::fill_n(image, of.image(), 0.0f);
        spread<true>(of, winner + out, dy + out, image);
      }
    });
  }

 private:
  template <bool Adds>
  void spread(const Images& of, const uint8_t* winner, const float* dy, float* image) const {
    const int64_t c = of.channels, width = of.width;
    for_windows(of, [&](const Clipped& at, int64_t out) {
      float* corner = image + at.corner;
      for_vectors(c, [&](int64_t lane, auto count, Ints fresh) {
        const Ints g = reinterpret_cast<Ints>(load(dy + out + lane, count)) & (Adds ? fresh : lanes_from(0));
        const Ints place = widen(winner + out + lane, count);
        for (int64_t y = at.y0; y < at.y1; ++y)
          for (int64_t x = at.x0; x < at.x1; ++x) {
            float* to = corner + (y * width + x) * c + lane;
            const Ints here = place == all(static_cast<int32_t>(y * windows_.kernel_w + x));
            const Floats part = reinterpret_cast<Floats>(g & here);
            store(to, Adds ? load(to, count) + part : part, count);
          }
      });
    });
  }
};

// The mean of each window; padding counts as zeros.
class AveragePool : public Pool {
 public:
  using Pool::Pool;

  void compute(const Context& context) const override {
    const Images of(windows_, context);
    const float* x = context.input("x");
    float* y = context.output("y");
    const int64_t c = of.channels, width = of.width;
    const float share = windows_.share();
    context.parallel_for(of.n, [&](size_t i) {
      for_windows(of, [&](const Clipped& at, int64_t place) {
        const float* corner = x + i * of.image() + at.corner;
        float* out = y + i * of.pooled() + place;
        for_vectors(c, [&](int64_t lane, auto count, Ints) {
          Floats sum = {};
          for (int64_t dy = at.y0; dy < at.y1; ++dy)
            for (int64_t dx = at.x0; dx < at.x1; ++dx) sum += load(corner + (dy * width + dx) * c + lane, count);
          store(out + lane, sum * share, count);
        });
      });
    });
  }
};

// Each dy is distributed equally over its window.
class AveragePoolGrad : public PoolGrad {
 public:
  using PoolGrad::PoolGrad;

  void compute(const Context& context) const override {
    const Images of(windows_, context);
    const float* dy = context.input("dy");
    float* dx = context.output("dx");
    const int64_t c = of.channels, width = of.width;
    const float share = windows_.share();
    context.parallel_for(of.n, [&](size_t i) {
      float* image = dx + i * of.image();
      std::fill_n(image, of.image(), 0.0f);
      for_windows(of, [&](const Clipped& at, int64_t place) {
        float* corner = image + at.corner;
        const float* from = dy + i * of.pooled() + place;
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
};

const Registration kMaxPool = op<MaxPool>("NhwcMaxPool")
                                  .derived("OH OW")
                                  .input("x", "N? H W C?")
                                  .output("y", "N? OH OW C?")
                                  .optional_output<uint8_t>("winner", "N? OH OW C?");
const Registration kMaxPoolGrad = op<MaxPoolGrad>("NhwcMaxPoolGrad")
                                      .derived("H W OH OW")
                                      .input<uint8_t>("winner", "N? OH OW C?")
                                      .input("dy", "N? OH OW C?")
                                      .output("dx", "N? H W C?");
const Registration kAveragePool =
    op<AveragePool>("NhwcAveragePool").derived("OH OW").input("x", "N? H W C?").output("y", "N? OH OW C?");
const Registration kAveragePoolGrad =
    op<AveragePoolGrad>("NhwcAveragePoolGrad").derived("H W OH OW").input("dy", "N? OH OW C?").output("dx", "N? H W C?");

}  // namespace
}  // namespace netc
