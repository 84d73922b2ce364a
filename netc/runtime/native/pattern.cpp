// Parses declared shapes and compares tensors with them.
#include "pattern.h"

#include <algorithm>
#include <cctype>
#include <sstream>

namespace netc {

std::string text(const Shape& shape) {
  std::string result = "(";
  for (int64_t size : shape) result += (result.size() > 1 ? ", " : "") + std::to_string(size);
  return result + ")";
}

int64_t elements(const Shape& sizes, int64_t most) {
  int64_t product = 1;
  for (int64_t size : sizes) {
    need(size >= 0 && (size == 0 || product <= most / size), "a tensor of shape ", sizes, " is too large");
    product *= size;
  }
  return product;
}

Pattern::Pattern(const std::string& text, std::vector<std::string>& all)
    : text(text) {
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (word == "number") {
      one_number = true;
      continue;
    }
    if (word == "?") {
      sizes.push_back({1, kAny, true});
      continue;
    }
    const bool may_be_zero = word.back() == '?';
    if (may_be_zero) word.pop_back();
    if (word == "...") {
      leading = true, leading_may_be_zero = may_be_zero;
      continue;
    }
    int64_t factor = 1;
    if (std::isdigit(static_cast<unsigned char>(word[0]))) {
      size_t end = 0;
      factor = std::stoll(word, &end);
      word = end < word.size() ? word.substr(end + 1) : "";  // without the `*`
    }
    int name = kLiteral;
    if (!word.empty()) {
      const auto found = std::find(all.begin(), all.end(), word);
      name = static_cast<int>(found - all.begin());
      names |= uint64_t{1} << name;
      if (found == all.end()) all.push_back(word);
    }
    sizes.push_back({factor, name, may_be_zero});
  }
}

bool Pattern::may_be_empty() const {
  return leading_may_be_zero || std::any_of(sizes.begin(), sizes.end(), [](const Size& size) { return size.may_be_zero; });
}

size_t Sizes::index(const char* name) const {
  const auto found = std::find(names_.begin(), names_.end(), name);
  if (found == names_.end()) throw std::logic_error(std::string("no shape of this op names ") + name);
  return static_cast<size_t>(found - names_.begin());
}

int64_t Sizes::operator[](const char* name) const {
  const int64_t size = known_[index(name)].size;
  if (size == kUnknown) throw std::logic_error(std::string("size ") + name + " is not known yet");
  return size;
}

void Sizes::set(const char* name, int64_t size) { known_[index(name)].size = size; }

bool Sizes::match_size(const Pattern::Size& size, int64_t found, const std::string& source, std::vector<Known>& known) {
  if (size.name == Pattern::kAny) return true;
  if (size.name == Pattern::kLiteral) return found == size.factor;
  if (found % size.factor || (found == 0 && !size.may_be_zero)) return false;
  Known& own = known[static_cast<size_t>(size.name)];
  if (own.size == kUnknown) own = {found / size.factor, &source};
  return own.size == found / size.factor;
}

bool Sizes::match(const Pattern& pattern, const int64_t* shape, size_t rank, const std::string& source) {
  if (pattern.one_number) return std::all_of(shape, shape + rank, [](int64_t size) { return size == 1; });
  if (rank < pattern.sizes.size() || (rank > pattern.sizes.size() && !pattern.leading)) return false;
  const int64_t* own = shape + (rank - pattern.sizes.size());
  if (pattern.leading) {
    if (!pattern.leading_may_be_zero && std::find(shape, own, 0) != own) return false;
    if (leading_source_ && !std::equal(shape, own, leading_.begin(), leading_.end())) return false;
  }
  std::vector<Known> known = known_;
  for (size_t i = 0; i < pattern.sizes.size(); ++i)
    if (!match_size(pattern.sizes[i], own[i], source, known)) return false;
  known_ = std::move(known);
  if (pattern.leading && !leading_source_) leading_.assign(shape, own), leading_source_ = &source;
  return true;
}

Shape Sizes::shape(const Pattern& pattern, int64_t any) const {
  Shape result;
  if (pattern.leading) result = leading_;
  for (const Pattern::Size& size : pattern.sizes)
    result.push_back(size.name == Pattern::kAny       ? any
                     : size.name == Pattern::kLiteral ? size.factor
                                                      : size.factor * known_[static_cast<size_t>(size.name)].size);
  return result;
}

std::string Sizes::text(const Pattern& pattern) const {
  if (pattern.one_number) return "one number";
  std::string sizes, sources;
  const auto add = [](std::string& to, const std::string& part) { to += (to.empty() ? "" : ", ") + part; };
  const auto add_source = [&](const std::string* source) {
    if (source && (", " + sources + ",").find(", " + *source + ",") == std::string::npos) add(sources, *source);
  };
  if (pattern.leading && leading_source_) {
    for (int64_t size : leading_) add(sizes, std::to_string(size));
    add_source(leading_source_);
  } else if (pattern.leading) {
    add(sizes, "...");
  }
  for (const Pattern::Size& size : pattern.sizes) {
    if (size.name < 0) {
      add(sizes, size.name == Pattern::kAny ? "any" : std::to_string(size.factor));
      continue;
    }
    const auto name = static_cast<size_t>(size.name);
    const int64_t value = known_[name].size;
    add(sizes, (size.factor == 1 ? "" : std::to_string(size.factor) + "*") + names_[name] +
                   (value == kUnknown ? "" : " = " + std::to_string(size.factor * value)));
    add_source(known_[name].source);
  }
  return "(" + sizes + ")" + (sources.empty() ? "" : " to match " + sources);
}

}  // namespace netc
