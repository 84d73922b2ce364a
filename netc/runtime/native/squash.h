// tanh, sigmoid and exp of a vector, and reductions of its lanes.
#pragma once

#include "vector.h"

namespace netc {

// tanh as a quotient of two polynomials, accurate to a few units in the last place. Beyond 9 it is 1 in single
// precision. NaN stays NaN.
inline Floats tanh_of(Floats x) {
  const Floats most = all(9.0f);
  x = x > most ? most : x;
  x = x < -most ? -most : x;
  const Floats z = x * x;
  Floats p = all(-2.76076847742355e-16f);
  for (float a : {2.00018790482477e-13f, -8.60467152213735e-11f, 5.12229709037114e-08f, 1.48572235717979e-05f,
                  6.37261928875436e-04f, 4.89352455891786e-03f})
    p = p * z + a;
  Floats q = all(1.19825839466702e-06f);
  for (float b : {1.18534705686654e-04f, 2.26843463243900e-03f, 4.89352518554385e-03f}) q = q * z + b;
  return x * p / q;
}

inline Floats sigmoid_of(Floats x) { return 0.5f * tanh_of(0.5f * x) + 0.5f; }

// exp, accurate to two units in the last place. Below -87.3 it is 0. NaN stays NaN.
inline Floats exp_of(Floats x) {
  const Floats least = all(-87.3f), most = all(88.3f);
  const Floats top = x > most ? most : x;
  const Floats within = top < least ? least : top;
  const Floats rounder = all(12582912.0f);  // adding it rounds to a whole number
  const Floats n = (within * 1.44269504088896341f + rounder) - rounder;
  const Floats r = (within - n * 0.693359375f) + n * 2.12194440e-4f;
  Floats p = all(1.9875691500e-4f);
  for (float a : {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) p = p * r + a;
  const Ints power = (__builtin_convertvector(n, Ints) + 127) << 23;
  const Floats y = (p * r * r + r + 1.0f) * reinterpret_cast<Floats>(power);
  return x < least ? Floats{} : y;
}

// The sum of the lanes.
inline float sum_of_lanes(Floats v) {
  float lanes[kWidth];
  store(lanes, v);
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  return lanes[0];
}

// The largest lane. NaN is passed over.
inline float max_of_lanes(Floats v) {
  float lanes[kWidth];
  store(lanes, v);
  for (int half = kWidth / 2; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] < lanes[i + half] ? lanes[i + half] : lanes[i];
  return lanes[0];
}

// The lanes of `v` that are new in the last vector of for_vectors; the others become 0.
inline Floats only(Floats v, Ints fresh) { return reinterpret_cast<Floats>(reinterpret_cast<Ints>(v) & fresh); }

}  // namespace netc
