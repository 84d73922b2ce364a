// Convolution of (N, H, W, C) images with (M, C, KH, KW) filters, and its gradient with respect to the images. There is
// no im2col: tiles read the images directly, padded if needed. Each number is summed in the same order for any number
// of threads.
#include "convolution.h"

#include <algorithm>
#include <cstring>

namespace netc {
namespace {

constexpr int64_t kProducts = 1 << 13;  // floats that fit in the L1 cache

// Correlates all images with packed filters, each image on one thread.
void correlate_all(const Context& context, ScratchPool& pool, const Geometry& g, const float* x, int64_t n,
                   const float* packed, const float* bias, bool relu, int64_t outputs, float* y) {
  context.parallel_for(n, [&](size_t i) {
    const auto copy = pool.take(g.copies() ? g.copy_size() : 0);
    correlate(g, prepared(g, x + i * g.image(), copy.data()), packed, bias, relu, outputs, y + i * g.pixels() * outputs);
  });
}

// y = x * w + b; with `relu`, the maximum of this and 0.
class Conv : public Convolution {
 public:
  explicit Conv(const Attributes& attributes)
      : Convolution(attributes), relu_(attributes.integer("relu") != 0) {}

  void compute(const Context& context) const override {
    const float *x = context.input("x"), *w = context.input("w"), *b = context.input("b");
    const Geometry g(window_, context.sizes());
    const int64_t n = context.size("N"), m = context.size("M"), c = g.channels, kh = g.kernel_h, kw = g.kernel_w;
    float* y = context.output("y");
    const auto scratch = packed_.take(elements({g.terms() + 1, padded(m)}));
    float *packed = scratch.data(), *bias = packed + g.terms() * padded(m);
    pack(context, g, m, packed, c * kh * kw,
         [&](int64_t ky, int64_t kx, int64_t ci) { return w + (ci * kh + ky) * kw + kx; });
    std::fill_n(bias, padded(m), 0.0f);
    if (b) std::copy_n(b, m, bias);
    correlate_all(context, images_, g, x, n, packed, bias, relu_, m, y);
  }

 private:
  bool relu_;
  mutable ScratchPool packed_;
};

const Registration kConv = op<Conv>("NhwcConv")
                               .derived("OH OW")
                               .input("x", "N? H W C")
                               .input("w", "M C KH KW")
                               .optional_input("b", "M")
                               .output("y", "N? OH OW M");

// The gradient with respect to x, whose height and width are `spatial`.
class ConvInputGrad : public Convolution {
 public:
  explicit ConvInputGrad(const Attributes& attributes)
      : Convolution(attributes), spatial_(attributes.extents("spatial", 2, 1)) {}

  void derive(Sizes& sizes) const override {
    sizes.set("H", spatial_[0]), sizes.set("W", spatial_[1]);
    Convolution::derive(sizes);
  }

  void compute(const Context& context) const override {
    const float *dy = context.input("dy"), *w = context.input("w");
    float* dx = context.output("dx");
    const Geometry g(window_, context.sizes());
    const bool fits = std::max(g.top, g.bottom) < g.kernel_h && std::max(g.left, g.right) < g.kernel_w;
    if (g.stride_h == 1 && g.stride_w == 1 && fits && 4 * g.pixels() > 3 * g.height * g.width) {
      correlated(context, g, context.size("N"), context.size("M"), dy, w, dx);
    } else {
      scattered(context, g, context.size("N"), context.size("M"), dy, w, dx);
    }
  }

 private:
  // For a stride of 1: correlates dy with the flipped filters, padded so that every pixel of x is reached.
  void correlated(const Context& context, const Geometry& g, int64_t n, int64_t m, const float* dy, const float* w,
                  float* dx) const {
    const int64_t c = g.channels, kh = g.kernel_h, kw = g.kernel_w;
    Window turned = window_;
    turned.top = kh - 1 - g.top, turned.left = kw - 1 - g.left, turned.bottom = kh - 1 - g.bottom,
    turned.right = kw - 1 - g.right;
    const Geometry back(turned, g.out_h(), g.out_w(), m, kh, kw);
    const auto packed = packed_.take(elements({back.terms(), padded(c)}));
    pack(context, back, c, packed.data(), kh * kw,
         [&](int64_t ky, int64_t kx, int64_t mi) { return w + (mi * c * kh + kh - 1 - ky) * kw + kw - 1 - kx; });
    correlate_all(context, images_, back, dy, n, packed.data(), nullptr, false, c, dx);
  }

  // For any stride: each pixel of dy adds its kernel_w * c numbers to kernel_h rows of the padded dx.
  void scattered(const Context& context, const Geometry& g, int64_t n, int64_t m, const float* dy, const float* w,
                 float* dx) const {
    const int64_t c = g.channels, kh = g.kernel_h, kw = g.kernel_w, terms = kw * c;
    const int64_t pitch = g.padded_w() * c, columns = padded(terms);
    const auto packed = packed_.take(elements({kh, m, columns}));
    elements({g.out_w(), columns});  // in a row of products
    elements({g.padded_h(), pitch});
    std::vector<int64_t> offsets;  // in w, of the terms of a filter row
    for (int64_t kx = 0; kx < kw; ++kx)
      for (int64_t ci = 0; ci < c; ++ci) offsets.push_back(ci * kh * kw + kx);
    for (int64_t ky = 0; ky < kh; ++ky)
      pack_rows(context, m, terms, packed.data() + ky * m * columns, [&](int64_t mi) {
        const float* filter = w + (mi * c * kh + ky) * kw;
        return [filter, &offsets](int64_t term) { return filter[offsets[term]]; };
      });
    const int64_t band = std::clamp<int64_t>(kProducts / (g.out_w() * columns), 1, g.out_h());
    context.parallel_for(n, [&](size_t i) {
      const auto scratch = images_.take(g.padded_h() * pitch + band * g.out_w() * columns);
      float *image = scratch.data(), *products = image + g.padded_h() * pitch;
      std::fill_n(image, g.padded_h() * pitch, 0.0f);
      for (int64_t first = 0; first < g.out_h(); first += band) {
        const int64_t lines = std::min(band, g.out_h() - first), pixels = lines * g.out_w();
        const float* rows = dy + (i * g.pixels() + first * g.out_w()) * m;
        for (int64_t ky = 0; ky < kh; ++ky) {
          multiply(rows, pixels, m, packed.data() + ky * m * columns, terms, products);
          // Goes down the columns: neighbors in a row overlap and would wait for each other.
          for (int64_t ox = 0; ox < g.out_w(); ++ox)
            for (int64_t line = 0; line < lines; ++line)
              add(products + (line * g.out_w() + ox) * columns, terms,
                  image + ((first + line) * g.stride_h + ky) * pitch + ox * g.stride_w * c);
        }
      }
      for (int64_t y = 0; y < g.height; ++y)
        std::memcpy(dx + (i * g.height + y) * g.width * c, image + (g.top + y) * pitch + g.left * c,
                    g.width * c * sizeof(float));
    });
  }

  static void add(const float* from, int64_t size, float* to) {
    for_vectors(size, [&](int64_t i, auto count, Ints fresh) {
      const Floats part = reinterpret_cast<Floats>(reinterpret_cast<Ints>(load(from + i, count)) & fresh);
      store(to + i, load(to + i, count) + part, count);
    });
  }

  // products (rows, padded(columns)) = a (rows, inner) times the packed (inner, columns).
  static void multiply(const float* a, int64_t rows, int64_t inner, const float* packed, int64_t columns, float* products) {
    const int64_t pitch = padded(columns);
    for (const Block& block : blocks_of(columns)) {
      const int pixels = best_pixels(block.vectors, rows);
      const int64_t width = block.vectors * kWidth;
      for (int64_t o = 0; o < rows; o += pixels) {
        const int64_t row = std::min(o, rows - pixels);
        kTiles[block.vectors - 1][pixels - 1](
            {a + row * inner, inner, packed, kOnce, kOnce, {inner, 1, width}},
            {products + row * pitch + block.begin, pitch, block.vectors * kWidth, nullptr, false, false});
      }
      packed += inner * width;
    }
  }

  Shape spatial_;
  mutable ScratchPool packed_;
};

const Registration kConvInputGrad = op<ConvInputGrad>("NhwcConvInputGrad")
                                        .derived("H W OH OW")
                                        .input("dy", "N? OH OW M")
                                        .input("w", "M C KH KW")
                                        .output("dx", "N? H W C");

}  // namespace
}  // namespace netc
