// Common parts of convolution and pooling.
#pragma once

#include "kernel.h"

namespace netc {

// Strides and padding, the attributes of a node.
struct Window {
  int64_t stride_h, stride_w, top, left, bottom, right;
  explicit Window(const Attributes& attributes) {
    const Shape strides = attributes.extents("strides", 2, 1), pads = attributes.extents("pads", 4, 0);
    stride_h = strides[0], stride_w = strides[1];
    top = pads[0], left = pads[1], bottom = pads[2], right = pads[3];
  }
};

}  // namespace netc
