// The gradient of a convolution with respect to its filters and its bias.
#include <algorithm>
#include <cstring>

#include "convolution.h"

namespace netc {
namespace {

constexpr int64_t kItems = 8;        // work items for the sums of a filter gradient
constexpr int64_t kSums = 1 << 20;   // floats in all slices of these sums
constexpr int64_t kBand = 64 << 10;  // floats of images and gradients that fit in the cache during summation

// The gradients with respect to w and the bias. Images are cut into slices, one thread sums each slice, and slices are
// added in order. The slices depend only on shapes, so the number of threads does not change any bit.
class ConvFilterGrad : public Convolution {
 public:
  explicit ConvFilterGrad(const Attributes& attributes)
      : Convolution(attributes), kernel_(attributes.extents("kernel_shape", 2, 1)) {}

  void derive(Sizes& sizes) const override {
    sizes.set("KH", kernel_[0]), sizes.set("KW", kernel_[1]);
    Convolution::derive(sizes);
  }

  void compute(const Context& context) const override {
    const float *x = context.input("x"), *dy = context.input("dy");
    const Geometry g(window_, context.sizes());
    const int64_t n = context.size("N"), m = context.size("M");
    elements({g.terms() + 1, padded(m), kItems});
    const int64_t size = (g.terms() + 1) * padded(m);  // sums of a slice: a row per term, then the bias
    const int64_t slices = std::min(n, std::clamp<int64_t>(kSums / size, 1, kItems));
    const std::vector<Part> parts = parts_of(g, m);
    const int64_t groups = std::min<int64_t>(kItems / slices, parts.size());
    const auto tail = images_.take(g.pixels() * m + kWidth * kMostVectors);  // tiles read past the end of the last image
    std::copy_n(dy + (n - 1) * g.pixels() * m, g.pixels() * m, tail.data());
    const auto sums = sums_.take(slices * size);
    const int64_t batch = std::clamp<int64_t>(kBand / (g.prepared_size() + g.pixels() * m), 1, n);  // images per pass
    // Copies that several groups read are made only once.
    const bool shared = g.copies() && groups > 1, alone = g.copies() && !shared;
    const auto all = images_.take(shared ? elements({n, g.copy_size()}) : 0);
    if (shared) context.parallel_for(n, [&](size_t i) { prepared(g, x + i * g.image(), all.data() + i * g.copy_size()); });
    context.parallel_for(slices * groups, [&](size_t item) {
      const int64_t slice = static_cast<int64_t>(item) / groups, group = static_cast<int64_t>(item) % groups;
      const auto own = images_.take(alone ? batch * g.copy_size() : 0);
      const int64_t first = n * slice / slices, end = n * (slice + 1) / slices;
      for (int64_t i = first, count; i < end; i += count) {
        count = std::min({batch, end - i, std::max<int64_t>(1, n - 1 - i)});
        const float* gradients = i + 1 < n ? dy + i * g.pixels() * m : tail.data();
        const float* images = shared ? all.data() + i * g.copy_size() : x + i * g.image();
        if (alone) {
          for (int64_t k = 0; k < count; ++k) prepared(g, images + k * g.image(), own.data() + k * g.copy_size());
          images = own.data();
        }
        add_images(g, count, images, gradients, m, parts, group, groups, sums.data() + slice * size, i == first);
      }
    });
    store_filters(context, g, sums.data(), slices, size, m, context.output("dw"));
    if (float* db = context.output("db")) {
      std::fill_n(db, m, 0.0f);
      for (int64_t slice = 0; slice < slices; ++slice)
        for (int64_t k = 0; k < m; ++k) db[k] += sums.data()[slice * size + g.terms() * padded(m) + k];
    }
  }

 private:
  // A tile of dw: `pixels` terms of a filter row, from `first` on, times a block of outputs.
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

  // Adds some images to the sums of a group, a band of output rows at a time.
  static void add_images(const Geometry& g, int64_t count, const float* images, const float* gradients, int64_t m,
                         const std::vector<Part>& parts, int64_t group, int64_t groups, float* sums, bool fresh) {
    const size_t begin = parts.size() * group / groups, end = parts.size() * (group + 1) / groups;
    const int64_t columns = padded(m), lines = std::clamp<int64_t>(kBand / (g.line_pitch() + g.out_w() * m), 1, g.out_h());
    for (int64_t line = 0; line < g.out_h(); line += lines)
      for (size_t k = begin; k < end; ++k) {
        const Part& part = parts[k];
        kTiles[part.block.vectors - 1][part.pixels - 1](
            {images + line * g.line_pitch() + part.row * g.row_pitch() + part.first,
             1,
             gradients + line * g.out_w() * m + part.block.begin,
             {count, g.prepared_size(), g.pixels() * m},
             {std::min(lines, g.out_h() - line), g.line_pitch(), g.out_w() * m},
             {g.out_w(), g.stride_w * g.depth(), m}},
            {sums + (part.row * g.row_terms() + part.first) * columns + part.block.begin, columns,
             part.block.vectors * kWidth, nullptr, false, !fresh || line > 0});
      }
    if (group == 0) add_columns(gradients, count * g.pixels(), m, sums + g.terms() * columns, fresh);
  }

  // Adds the slices, which have a row per term, and stores the sums as filters.
  static void store_filters(const Context& context, const Geometry& g, const float* sums, int64_t slices, int64_t size,
                            int64_t m, float* dw) {
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

  // The sum of each of m columns. It keeps four partial sums, because each addition waits for the previous one.
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

  Shape kernel_;
  mutable ScratchPool sums_;
};

const Registration kConvFilterGrad = op<ConvFilterGrad>("NhwcConvFilterGrad")
                                         .derived("KH KW OH OW")
                                         .input("x", "N H W C")
                                         .input("dy", "N OH OW M")
                                         .output("dw", "M C KH KW")
                                         .optional_output("db", "M");

}  // namespace
}  // namespace netc
