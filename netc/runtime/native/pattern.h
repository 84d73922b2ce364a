// Declared shapes of ops, and the sizes of their names in a run.
#pragma once

#include <string>
#include <vector>

#include "shape.h"

namespace netc {

// A declared shape: sizes with spaces between them.
//
//   H      a size of 1 or more, the same wherever the op names it
//   H?     the same, but it may be 0
//   4*H    a multiple of a named size
//   2      this number
//   ?      any size
//   ...    any number of sizes of 1 or more, the same wherever the op writes it; only in front
//   ...?   the same, but sizes may be 0
//   number a tensor of one element
class Pattern {
 public:
  static constexpr int kLiteral = -1, kAny = -2;
  struct Size {
    int64_t factor;
    int name;  // an index into the names of the op, kLiteral or kAny
    bool may_be_zero;
  };

  // Names that are new are added to `all`, the names of the op.
  Pattern(const std::string& text, std::vector<std::string>& all);

  // Whether a tensor of this shape may have a size of 0.
  bool may_be_empty() const;

  bool one_number = false, leading = false, leading_may_be_zero = false;
  std::vector<Size> sizes;
  uint64_t names = 0;  // one bit per name in the pattern
  std::string text;
};

// The sizes of one run, by name.
class Sizes {
 public:
  explicit Sizes(const std::vector<std::string>& names)
      : names_(names), known_(names.size()) {}

  int64_t operator[](const char* name) const;
  void set(const char* name, int64_t size);
  // The sizes that match `...`.
  const Shape& leading() const { return leading_; }

  // Whether a shape matches the pattern. Names without a size get one from the input called `source`.
  bool match(const Pattern& pattern, const int64_t* shape, size_t rank, const std::string& source);
  // The shape that a pattern describes; `any` is the size of `?`.
  Shape shape(const Pattern& pattern, int64_t any) const;
  // The pattern with the known sizes and their sources, for an error.
  std::string text(const Pattern& pattern) const;

 private:
  static constexpr int64_t kUnknown = -1;
  size_t index(const char* name) const;
  struct Known {
    int64_t size = kUnknown;
    const std::string* source = nullptr;  // the input that defines it; null if Kernel::derive set it
  };
  static bool match_size(const Pattern::Size& size, int64_t found, const std::string& source, std::vector<Known>& known);

  const std::vector<std::string>& names_;
  std::vector<Known> known_;
  Shape leading_;
  const std::string* leading_source_ = nullptr;  // null until the leading sizes are known
};

}  // namespace netc
