// Sizes of tensors, and checks that throw.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace netc {

using Shape = std::vector<int64_t>;

constexpr int64_t kMostExtent = 1 << 24;             // of an attribute that is a size
constexpr int64_t kMostElements = int64_t{1} << 33;  // of a tensor

inline std::string text(const char* words) { return words; }
inline std::string text(const std::string& words) { return words; }
inline std::string text(int64_t number) { return std::to_string(number); }
std::string text(const Shape& shape);

// Throws std::invalid_argument, with the parts as its message, unless `holds`. Models are not trusted, so kernels check
// everything that they rely on.
template <class... Parts>
inline void need(bool holds, const Parts&... parts) {
  if (!holds) throw std::invalid_argument((text(parts) + ...));
}

// Returns the product of sizes. Throws if it is larger than `most` or if a size is negative.
int64_t elements(const Shape& sizes, int64_t most = kMostElements);

}  // namespace netc
