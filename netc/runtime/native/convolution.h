// Common parts of the convolution ops.
#pragma once

#include "images.h"

namespace netc {

// A convolution op. Sizes that attributes define are set before the sizes of the output, OH and OW.
class Convolution : public Kernel {
 public:
  explicit Convolution(const Attributes& attributes)
      : window_(attributes) {}

  void derive(Sizes& sizes) const override {
    const Geometry g(window_, sizes);
    sizes.set("OH", g.out_h()), sizes.set("OW", g.out_w());
  }

 protected:
  Window window_;
  mutable ScratchPool images_;
};

}  // namespace netc
