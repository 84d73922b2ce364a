// Convolution of (N, H, W, C) images with (M, C, KH, KW) filters, and its two gradients. No columns are made: tiles read
// the images themselves, padded where need be. Each number is summed in one order, whatever the number of threads.
#include <algorithm>
#include <cstring>

#include "images.h"

namespace netc {
namespace {

constexpr int64_t kItems = 8;          // into which the sums of filter gradients are cut
constexpr int64_t kSums = 1 << 20;     // floats of all slices of such sums
constexpr int64_t kBand = 64 << 10;     // floats of images and gradients that stay in the cache while their products are summed
constexpr int64_t kProducts = 1 << 13;  // floats that stay in the first cache

// All images through packed filters, each by one thread.
void correlate_all(const Context& context, ScratchPool& pool, const Geometry& g, const float* x, int64_t n, const float* packed, const float* bias,
                   bool relu, int64_t outputs, float* y) {
  context.parallel_for(n, [&](size_t i) {
    const auto copy = pool.take(g.copies() ? g.copy_size() : 0);
    correlate(g, prepared(g, x + i * g.image(), copy.data()), packed, bias, relu, outputs, y + i * g.pixels() * outputs);
  });
}

// y = x * w + b, and where `relu` is 1 the maximum of that and 0.
class Conv : public Kernel {
 public:
  explicit Conv(const Attributes& attributes) : window_(attributes), relu_(attributes.integer("relu") != 0) {}

  void compute(const Context& context) const override {
    const auto x = context.input(0, {kAny, kSome, kSome, kSome}), w = context.input(1, {kSome, x.shape[3], kSome, kSome});
    const int64_t n = x.shape[0], c = x.shape[3], m = w.shape[0], kh = w.shape[2], kw = w.shape[3];
    const auto b = context.optional_input(2, {m});
    const Geometry g(window_, x.shape[1], x.shape[2], c, kh, kw);
    float* y = context.output(0, {n, g.out_h(), g.out_w(), m});
    const auto scratch = packed_.take(elements({g.terms() + 1, padded(m)}));
    float *packed = scratch.data(), *bias = packed + g.terms() * padded(m);
    pack(context, g, m, packed, c * kh * kw, [&](int64_t ky, int64_t kx, int64_t ci) { return w.data + (ci * kh + ky) * kw + kx; });
    std::fill_n(bias, padded(m), 0.0f);
    if (b.data) std::copy_n(b.data, m, bias);
    correlate_all(context, images_, g, x.data, n, packed, bias, relu_, m, y);
  }

 private:
  Window window_;
  bool relu_;
  mutable ScratchPool packed_, images_;
};

// The gradient by x, whose height and width are `spatial`.
class ConvInputGrad : public Kernel {
 public:
  explicit ConvInputGrad(const Attributes& attributes) : window_(attributes), spatial_(attributes.extents("spatial", 2, 1)) {}

  void compute(const Context& context) const override {
    const auto w = context.input(1, {kSome, kSome, kSome, kSome});
    const int64_t c = w.shape[1];
    const Geometry g(window_, spatial_[0], spatial_[1], c, w.shape[2], w.shape[3]);
    const auto dy = context.input(0, {kAny, g.out_h(), g.out_w(), w.shape[0]});
    float* dx = context.output(0, {dy.shape[0], g.height, g.width, c});
    const bool fits = std::max(g.top, g.bottom) < g.kernel_h && std::max(g.left, g.right) < g.kernel_w;
    if (g.stride_h == 1 && g.stride_w == 1 && fits && 4 * g.pixels() > 3 * g.height * g.width) {
      correlated(context, g, dy, w, dx);
    } else {
      scattered(context, g, dy, w, dx);
    }
  }

 private:
  // With stride 1: the correlation of dy with the filters turned around, padded so that every pixel of x is reached.
  void correlated(const Context& context, const Geometry& g, const Tensor<const float>& dy, const Tensor<const float>& w, float* dx) const {
    const int64_t c = g.channels, m = w.shape[0], kh = g.kernel_h, kw = g.kernel_w;
    Window turned = window_;
    turned.top = kh - 1 - g.top, turned.left = kw - 1 - g.left, turned.bottom = kh - 1 - g.bottom, turned.right = kw - 1 - g.right;
    const Geometry back(turned, g.out_h(), g.out_w(), m, kh, kw);
    const auto packed = packed_.take(elements({back.terms(), padded(c)}));
    pack(context, back, c, packed.data(), kh * kw, [&](int64_t ky, int64_t kx, int64_t mi) {
      return w.data + (mi * c * kh + kh - 1 - ky) * kw + kw - 1 - kx;
    });
    correlate_all(context, images_, back, dy.data, dy.shape[0], packed.data(), nullptr, false, c, dx);
  }

  // With any stride: each pixel of dy adds its kernel_w * c numbers to kernel_h rows of the padded dx.
  void scattered(const Context& context, const Geometry& g, const Tensor<const float>& dy, const Tensor<const float>& w, float* dx) const {
    const int64_t c = g.channels, m = w.shape[0], kh = g.kernel_h, kw = g.kernel_w, terms = kw * c;
    const int64_t pitch = g.padded_w() * c, columns = padded(terms);
    const auto packed = packed_.take(elements({kh, m, columns}));
    elements({g.out_w(), columns});  // of a row of products
    elements({g.padded_h(), pitch});
    std::vector<int64_t> offsets;  // of the terms of a filter row, in w
    for (int64_t kx = 0; kx < kw; ++kx)
      for (int64_t ci = 0; ci < c; ++ci) offsets.push_back(ci * kh * kw + kx);
    for (int64_t ky = 0; ky < kh; ++ky)
      pack_rows(context, m, terms, packed.data() + ky * m * columns, [&](int64_t mi) {
        const float* filter = w.data + (mi * c * kh + ky) * kw;
        return [filter, &offsets](int64_t term) { return filter[offsets[term]]; };
      });
    const int64_t band = std::clamp<int64_t>(kProducts / (g.out_w() * columns), 1, g.out_h());
    context.parallel_for(dy.shape[0], [&](size_t i) {
      const auto scratch = images_.take(g.padded_h() * pitch + band * g.out_w() * columns);
      float *image = scratch.data(), *products = image + g.padded_h() * pitch;
      std::fill_n(image, g.padded_h() * pitch, 0.0f);
      for (int64_t first = 0; first < g.out_h(); first += band) {
        const int64_t lines = std::min(band, g.out_h() - first), pixels = lines * g.out_w();
        const float* rows = dy.data + (i * g.pixels() + first * g.out_w()) * m;
        for (int64_t ky = 0; ky < kh; ++ky) {
          multiply(rows, pixels, m, packed.data() + ky * m * columns, terms, products);
          // Down the columns: neighbours in a row overlap, and would wait for each other.
          for (int64_t ox = 0; ox < g.out_w(); ++ox)
            for (int64_t line = 0; line < lines; ++line)
              add(products + (line * g.out_w() + ox) * columns, terms, image + ((first + line) * g.stride_h + ky) * pitch + ox * g.stride_w * c);
        }
      }
      for (int64_t y = 0; y < g.height; ++y)
        std::memcpy(dx + (i * g.height + y) * g.width * c, image + (g.top + y) * pitch + g.left * c, g.width * c * sizeof(float));
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
        kTiles[block.vectors - 1][pixels - 1]({a + row * inner, inner, packed, kOnce, kOnce, {inner, 1, width}},
                                              {products + row * pitch + block.begin, pitch, block.vectors * kWidth, nullptr, false, false});
      }
      packed += inner * width;
    }
  }

  Window window_;
  Shape spatial_;
  mutable ScratchPool packed_, images_;
};

// The gradients by w and by the bias. Images are cut into slices, each summed by one thread, and slices are added in their order.
// What is cut depends on shapes alone, so that the number of threads changes no bit.
class ConvFilterGrad : public Kernel {
 public:
  explicit ConvFilterGrad(const Attributes& attributes) : window_(attributes), kernel_(attributes.extents("kernel_shape", 2, 1)) {}

  void compute(const Context& context) const override {
    const auto x = context.input(0, {kSome, kSome, kSome, kSome});
    const int64_t n = x.shape[0], c = x.shape[3];
    const Geometry g(window_, x.shape[1], x.shape[2], c, kernel_[0], kernel_[1]);
    const auto dy = context.input(1, {n, g.out_h(), g.out_w(), kSome});
    const int64_t m = dy.shape[3];
    elements({g.terms() + 1, padded(m), kItems});
    const int64_t size = (g.terms() + 1) * padded(m);  // of a slice's sums: a row a term, then the bias
    const int64_t slices = std::min(n, std::clamp<int64_t>(kSums / size, 1, kItems));
    const std::vector<Part> parts = parts_of(g, m);
    const int64_t groups = std::min<int64_t>(kItems / slices, parts.size());
    const auto tail = images_.take(g.pixels() * m + kWidth * kMostVectors);  // tiles read beyond the end of the last image
    std::copy_n(dy.data + (n - 1) * g.pixels() * m, g.pixels() * m, tail.data());
    const auto sums = sums_.take(slices * size);
    const int64_t batch = std::clamp<int64_t>(kBand / (g.prepared_size() + g.pixels() * m), 1, n);  // images at once
    // Copies that several groups read are made once.
    const bool shared = g.copies() && groups > 1, alone = g.copies() && !shared;
    const auto all = images_.take(shared ? elements({n, g.copy_size()}) : 0);
    if (shared) context.parallel_for(n, [&](size_t i) { prepared(g, x.data + i * g.image(), all.data() + i * g.copy_size()); });
    context.parallel_for(slices * groups, [&](size_t item) {
      const int64_t slice = static_cast<int64_t>(item) / groups, group = static_cast<int64_t>(item) % groups;
      const auto own = images_.take(alone ? batch * g.copy_size() : 0);
      const int64_t first = n * slice / slices, end = n * (slice + 1) / slices;
      for (int64_t i = first, count; i < end; i += count) {
        count = std::min({batch, end - i, std::max<int64_t>(1, n - 1 - i)});
        const float* gradients = i + 1 < n ? dy.data + i * g.pixels() * m : tail.data();
        const float* images = shared ? all.data() + i * g.copy_size() : x.data + i * g.image();
        if (alone) {
          for (int64_t k = 0; k < count; ++k) prepared(g, images + k * g.image(), own.data() + k * g.copy_size());
          images = own.data();
        }
        add_images(g, count, images, gradients, m, parts, group, groups, sums.data() + slice * size, i == first);
      }
    });
    store_filters(context, g, sums.data(), slices, size, m, context.output(0, {m, c, g.kernel_h, g.kernel_w}));
    if (float* db = context.optional_output(1, {m})) {
      std::fill_n(db, m, 0.0f);
      for (int64_t slice = 0; slice < slices; ++slice)
        for (int64_t k = 0; k < m; ++k) db[k] += sums.data()[slice * size + g.terms() * padded(m) + k];
    }
  }

 private:
  // A tile of dw: `pixels` terms of a row of the filters, from `first` on, by a block of outputs.
  struct Part {
    Block block;
    int64_t row, first;
    int pixels;
  };
  static std::vector<Part> parts_of(const Geometry& g, int64_t m) {
    std::vector<Part> parts;
    for (int64_t row = 0; row < g.rows(); ++row)
      for (const Block& block : blocks_of(m)) {
        const int step = best_pixels(block.vectors, g.row_terms());
        for (int64_t first = 0; first < g.row_terms(); first += step)
          parts.push_back({block, row, first, static_cast<int>(std::min<int64_t>(step, g.row_terms() - first))});
      }
    return parts;
  }

  // What some images add to the parts of a group, a band of output rows at a time.
  static void add_images(const Geometry& g, int64_t count, const float* images, const float* gradients, int64_t m, const std::vector<Part>& parts,
                         int64_t group, int64_t groups, float* sums, bool fresh) {
    const size_t begin = parts.size() * group / groups, end = parts.size() * (group + 1) / groups;
    const int64_t columns = padded(m), lines = std::clamp<int64_t>(kBand / (g.line_pitch() + g.out_w() * m), 1, g.out_h());
    for (int64_t line = 0; line < g.out_h(); line += lines)
      for (size_t k = begin; k < end; ++k) {
        const Part& part = parts[k];
        kTiles[part.block.vectors - 1][part.pixels - 1](
            {images + line * g.line_pitch() + part.row * g.row_pitch() + part.first, 1, gradients + line * g.out_w() * m + part.block.begin,
             {count, g.prepared_size(), g.pixels() * m},
             {std::min(lines, g.out_h() - line), g.line_pitch(), g.out_w() * m},
             {g.out_w(), g.stride_w * g.depth(), m}},
            {sums + (part.row * g.row_terms() + part.first) * columns + part.block.begin, columns, part.block.vectors * kWidth, nullptr, false,
             !fresh || line > 0});
      }
    if (group == 0) add_columns(gradients, count * g.pixels(), m, sums + g.terms() * columns, fresh);
  }

  // The sums of all slices, a row a term, as filters.
  static void store_filters(const Context& context, const Geometry& g, const float* sums, int64_t slices, int64_t size, int64_t m, float* dw) {
    const int64_t columns = padded(m);
    context.parallel_for(columns / kWidth, [&](size_t block) {
      const int64_t first = block * kWidth, lanes = std::min<int64_t>(kWidth, m - first);
      float *to = dw + first * g.terms(), numbers[kWidth];
      for (int64_t ci = 0; ci < g.channels; ++ci)
        for (int64_t y = 0; y < g.kernel_h; ++y)
          for (int64_t x = 0; x < g.kernel_w; ++x, ++to) {
            const float* from = sums + g.term(y, x, ci) * columns + first;
            Floats sum = load(from);
            for (int64_t slice = 1; slice < slices; ++slice) sum += load(from + slice * size);
            store(numbers, sum);
            for (int64_t k = 0; k < lanes; ++k) to[k * g.terms()] = numbers[k];
          }
    });
  }

  // The sum of each of m columns. Four sums at a time, since each addition waits for the one before.
  static void add_columns(const float* rows, int64_t count, int64_t m, float* sums, bool fresh) {
    for (int64_t v = 0; v < m; v += kWidth) {
      Floats sum[4] = {fresh ? Floats{} : load(sums + v)};
      int64_t i = 0;
      for (; i + 4 <= count; i += 4)
        for (int k = 0; k < 4; ++k) sum[k] += load(rows + (i + k) * m + v);
      for (; i < count; ++i) sum[0] += load(rows + i * m + v);
      store(sums + v, (sum[0] + sum[1]) + (sum[2] + sum[3]));
    }
  }

  Window window_;
  Shape kernel_;
  mutable ScratchPool images_, sums_;
};

}  // namespace

std::vector<Op> convolution_ops() {
  using ort::kFloat;
  return {
      Op("NhwcConv", make<Conv>, {kFloat, kFloat, kFloat}, {kFloat}, 2),
      Op("NhwcConvInputGrad", make<ConvInputGrad>, {kFloat, kFloat}, {kFloat}, 2),
      Op("NhwcConvFilterGrad", make<ConvFilterGrad>, {kFloat, kFloat}, {kFloat, kFloat}, 2),
  };
}

}  // namespace netc
