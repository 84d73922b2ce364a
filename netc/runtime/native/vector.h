// Vectors of floats through the compiler's extension: AVX, NEON or whatever the machine has, without intrinsics.
#pragma once

#include <cstdint>
#include <cstring>

namespace netc {

#if defined(NETC_WIDTH)
constexpr int kWidth = NETC_WIDTH;  // floats in a vector
#elif defined(__AVX__)
constexpr int kWidth = 8;
#else
constexpr int kWidth = 4;
#endif

#if defined(__AVX512VL__) || defined(__aarch64__)
constexpr int kAccumulators = 24;  // of 32 registers
#else
constexpr int kAccumulators = 12;  // of 16 registers
#endif

typedef float Floats __attribute__((vector_size(kWidth * sizeof(float)), aligned(4), may_alias));
typedef int32_t Ints __attribute__((vector_size(kWidth * sizeof(int32_t)), aligned(4), may_alias));
typedef uint8_t Bytes __attribute__((vector_size(kWidth), aligned(1), may_alias));

inline Floats load(const float* p) { return *reinterpret_cast<const Floats*>(p); }
inline void store(float* p, Floats v) { *reinterpret_cast<Floats*>(p) = v; }
inline Floats all(float x) { return x - Floats{}; }
inline Ints all(int32_t x) { return x - Ints{}; }

// Vectors with fewer lanes, for the remainder at an end: the other lanes are 0, and are neither read nor written.
inline Floats load(const float* p, int count) {
  float lanes[kWidth] = {};
  for (int i = 0; i < count; ++i) lanes[i] = p[i];
  return load(lanes);
}
inline void store(float* p, Floats v, int count) {
  float lanes[kWidth];
  store(lanes, v);
  int done = 0;
  for (int part = kWidth / 2; part > 0; part /= 2)
    if (count & part) std::memcpy(p + done, lanes + done, part * sizeof(float)), done += part;
}
inline Ints widen(const uint8_t* p) { return __builtin_convertvector(*reinterpret_cast<const Bytes*>(p), Ints); }
inline Ints widen(const uint8_t* p, int count) {
  uint8_t lanes[kWidth] = {};
  std::memcpy(lanes, p, count);
  return widen(lanes);
}
inline void narrow(uint8_t* p, Ints v) { *reinterpret_cast<Bytes*>(p) = __builtin_convertvector(v, Bytes); }
inline void narrow(uint8_t* p, Ints v, int count) {
  uint8_t lanes[kWidth];
  narrow(lanes, v);
  std::memcpy(p, lanes, count);
}

// The lanes from `first` on.
inline Ints lanes_from(int first) {
  Ints mask = {};
  for (int i = 0; i < kWidth; ++i) mask[i] = i >= first ? -1 : 0;
  return mask;
}

// A complete vector in a call that takes a count, known at compile time.
struct Whole {};
inline Floats load(const float* p, Whole) { return load(p); }
inline void store(float* p, Floats v, Whole) { store(p, v); }
inline Ints widen(const uint8_t* p, Whole) { return widen(p); }
inline void narrow(uint8_t* p, Ints v, Whole) { narrow(p, v); }

// Calls body(offset, count, fresh) for `size` numbers, one vector at a time. The last vector may overlap the previous
// one; `fresh` then marks the lanes that are new. If there are fewer numbers than lanes, `count` is their number.
template <class F>
inline void for_vectors(int64_t size, const F& body) {
  const Ints every = lanes_from(0);
  if (size < kWidth) return body(int64_t{0}, static_cast<int>(size), every);
  int64_t i = 0;
  for (; i + kWidth <= size; i += kWidth) body(i, Whole{}, every);
  if (i < size) body(size - kWidth, Whole{}, lanes_from(static_cast<int>(i - (size - kWidth))));
}

}  // namespace netc
