// What the ops of a convolution share.
#pragma once

#include "images.h"

namespace netc {

// An op of a convolution. Sizes that attributes give are set before the sizes of the output, OH and OW.
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
