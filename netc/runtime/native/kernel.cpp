// Statuses, attributes and scratch memory of kernels.
#include "kernel.h"

#include <new>

namespace netc {

void check(OrtStatus* status) {
  if (!status) return;
  std::string message = ort::GetErrorMessage(static_cast<const OrtStatus*>(status));
  ort::ReleaseStatus(status);
  throw std::runtime_error(message);
}

namespace {

// Throws the message of a status with the name of the attribute that it is about.
void check_attribute(const char* name, OrtStatus* status) {
  try {
    check(status);
  } catch (const std::runtime_error& e) {
    throw std::invalid_argument(std::string("attribute ") + name + ": " + e.what());
  }
}

}  // namespace

int64_t Attributes::integer(const char* name) const {
  int64_t value = 0;
  check_attribute(name, ort::KernelInfoGetAttribute_int64(info_, name, &value));
  return value;
}

float Attributes::number(const char* name) const {
  float value = 0;
  check_attribute(name, ort::KernelInfoGetAttribute_float(info_, name, &value));
  return value;
}

Shape Attributes::extents(const char* name, size_t count, int64_t least) const {
  size_t found = 0;
  check_attribute(name, ort::KernelInfoGetAttributeArray_int64(info_, name, static_cast<int64_t*>(nullptr), &found));
  need(found == count, "attribute ", name, " has ", static_cast<int64_t>(found), " numbers; expected ",
       static_cast<int64_t>(count));
  Shape values(count);
  check_attribute(name, ort::KernelInfoGetAttributeArray_int64(info_, name, values.data(), &found));
  for (int64_t value : values)
    need(value >= least && value <= kMostExtent, "attribute ", name, " has ", value, "; expected numbers from ", least,
         " to ", kMostExtent);
  return values;
}

ScratchPool::Scratch ScratchPool::take(int64_t asked) {
  const auto size = static_cast<size_t>(elements({asked}));
  Piece piece;
  {
    std::lock_guard<std::mutex> held(lock_);
    if (!pieces_.empty()) {
      piece = std::move(pieces_.back());
      pieces_.pop_back();
    }
  }
  if (piece.size < size) {
    const size_t bytes = (size * sizeof(float) + 63) / 64 * 64;
    piece.data.reset(static_cast<float*>(std::aligned_alloc(64, bytes)));
    if (!piece.data) throw std::bad_alloc();
    piece.size = size;
  }
  return Scratch(*this, std::move(piece));
}

void ScratchPool::give_back(Piece piece) {
  std::lock_guard<std::mutex> held(lock_);
  pieces_.push_back(std::move(piece));
}

}  // namespace netc
