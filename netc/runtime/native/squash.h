// tanh and sigmoid of a vector.
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

}  // namespace netc
