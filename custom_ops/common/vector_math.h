// The inner loops over channels, in the widest vectors of the machine that runs them.
#ifndef TFMASK_COMMON_VECTOR_MATH_H_
#define TFMASK_COMMON_VECTOR_MATH_H_

#include <cstdint>
#include <cstring>

#include "kernel_types.h"

#define TFMASK_INLINE inline __attribute__((always_inline))

namespace tfmask {

template <typename F, typename T>
struct VectorMath {
  // out[c] = (add ? out[c] : 0) + sum over t of weights[t] * base[offsets[t] + c]
  void (*weighted_sum)(T* out, const F* base, const int64_t* offsets, const T* weights,
                       int64_t terms, int64_t channels, bool add);
  // dots[t] = sum over c of vector[c] * base[offsets[t] + c]
  void (*dots)(const T* vector, const F* base, const int64_t* offsets, int64_t terms,
               int64_t channels, T* dots);
  // base[offsets[t] + c] += weights[t] * vector[c] for every t; the cells do not overlap
  void (*scatter)(T* base, const int64_t* offsets, const T* weights, int64_t terms,
                  const F* vector, int64_t channels);
  // to[i] = from[i]
  void (*widen)(T* to, const F* from, int64_t count);
  // The same, to the nearest number of F, ties to even.
  void (*narrow)(F* to, const T* from, int64_t count);
};

namespace vector_math {

template <typename T, int kBytes>
struct Register {
  typedef T type __attribute__((vector_size(kBytes)));
  static constexpr int kLanes = kBytes / sizeof(T);

  static TFMASK_INLINE type Load(const T* from) {
    type value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  }

  static TFMASK_INLINE type Load(const BFloat16* from) {
    using bits_type = typename Register<uint32_t, kBytes>::type;
    typename Register<uint16_t, kBytes / 2>::type halves;
    std::memcpy(&halves, from, sizeof(halves));
    const bits_type bits = __builtin_convertvector(halves, bits_type) << 16;
    type value;
    std::memcpy(&value, &bits, sizeof(value));
    return value;
  }

  // Without subnormal floats on the way, which TensorFlow's threads take for zero.
  static TFMASK_INLINE type Load(const Half* from) {
    using bits_type = typename Register<uint32_t, kBytes>::type;
    typename Register<uint16_t, kBytes / 2>::type halves;
    std::memcpy(&halves, from, sizeof(halves));
    const bits_type bits = __builtin_convertvector(halves, bits_type);
    const bits_type magnitude = bits & 0x7fff;
    const bits_type normal = (magnitude << 13) + (112u << 23);
    const bits_type special = normal + (112u << 23);  // infinity and NaN
    const bits_type shifted = normal + (1u << 23);
    type tiny;
    std::memcpy(&tiny, &shifted, sizeof(tiny));
    tiny -= 0x1p-14f;
    bits_type subnormal;
    std::memcpy(&subnormal, &tiny, sizeof(subnormal));
    const bits_type finite = magnitude < 0x400 ? subnormal : normal;
    const bits_type wide =
        (magnitude >= 0x7c00 ? special : finite) | (bits & 0x8000) << 16;
    type value;
    std::memcpy(&value, &wide, sizeof(value));
    return value;
  }

  static TFMASK_INLINE void Store(T* to, const type& value) {
    std::memcpy(to, &value, sizeof(value));
  }
};

template <typename T>
TFMASK_INLINE T Scalar(T value) {
  return value;
}

TFMASK_INLINE float FloatOf(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

TFMASK_INLINE uint32_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

TFMASK_INLINE float Scalar(BFloat16 value) {
  return FloatOf(static_cast<uint32_t>(value.bits) << 16);
}

TFMASK_INLINE float Scalar(Half value) {
  const uint32_t magnitude = value.bits & 0x7fff;
  const uint32_t normal = (magnitude << 13) + (112u << 23);
  const uint32_t special = normal + (112u << 23);
  const uint32_t subnormal = BitsOf(FloatOf(normal + (1u << 23)) - 0x1p-14f);
  const uint32_t finite = magnitude < 0x400 ? subnormal : normal;
  const uint32_t sign = static_cast<uint32_t>(value.bits & 0x8000) << 16;
  return FloatOf((magnitude >= 0x7c00 ? special : finite) | sign);
}

// Without branches, so that compilers make vectors of the loops around them.
template <typename T>
TFMASK_INLINE void Narrow(T value, T* to) {
  *to = value;
}

TFMASK_INLINE void Narrow(float value, BFloat16* to) {
  const uint32_t bits = BitsOf(value);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  const bool is_nan = (bits & 0x7fffffff) > 0x7f800000;
  to->bits = static_cast<uint16_t>(is_nan ? bits >> 16 | 0x40 : rounded);
}

TFMASK_INLINE void Narrow(float value, Half* to) {
  const uint32_t bits = BitsOf(value), magnitude = bits & 0x7fffffff;
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  const uint32_t normal = (rounded - (112u << 23)) >> 13;
  // In units of 2^-24, to which adding 2^23 rounds.
  const uint32_t subnormal = BitsOf(FloatOf(magnitude) * 0x1p24f + 0x1p23f) - 0x4b000000;
  uint32_t result = magnitude < 0x38800000 ? subnormal : normal;
  result = magnitude >= 0x477ff000 ? 0x7c00 : result;  // rounds to infinity
  result = magnitude > 0x7f800000 ? 0x7e00 : result;   // NaN
  to->bits = static_cast<uint16_t>(result | (bits >> 16 & 0x8000));
}

template <typename F, typename T>
TFMASK_INLINE void WidenAll(T* to, const F* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = Scalar(from[i]);
}

template <typename F, typename T>
TFMASK_INLINE void NarrowAll(F* to, const T* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) Narrow(from[i], to + i);
}

// kCount registers of channels from c on.
template <typename F, typename T, int kBytes, int kCount>
TFMASK_INLINE int64_t SumBlocks(int64_t c, T* out, const F* base, const int64_t* offsets,
                                const T* weights, int64_t terms, int64_t channels,
                                bool add) {
  using R = Register<T, kBytes>;
  for (; c + kCount * R::kLanes <= channels; c += kCount * R::kLanes) {
    typename R::type sums[kCount];
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) {
      sums[i] = add ? R::Load(out + c + i * R::kLanes) : typename R::type{};
    }
    for (int64_t t = 0; t < terms; ++t) {
      const F* cell = base + offsets[t] + c;
      const T weight = weights[t];
#pragma GCC unroll 16
      for (int i = 0; i < kCount; ++i) {
        sums[i] += weight * R::Load(cell + i * R::kLanes);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < kCount; ++i) R::Store(out + c + i * R::kLanes, sums[i]);
  }
  return c;
}

template <typename F, typename T, int kBytes, int kCount>
TFMASK_INLINE void WeightedSum(T* out, const F* base, const int64_t* offsets,
                               const T* weights, int64_t terms, int64_t channels,
                               bool add) {
  int64_t c = SumBlocks<F, T, kBytes, kCount>(0, out, base, offsets, weights, terms,
                                              channels, add);
  c = SumBlocks<F, T, kBytes, 1>(c, out, base, offsets, weights, terms, channels, add);
  for (; c < channels; ++c) {
    T sum = add ? out[c] : T(0);
    for (int64_t t = 0; t < terms; ++t) {
      sum += weights[t] * Scalar(base[offsets[t] + c]);
    }
    out[c] = sum;
  }
}

template <typename F, typename T, int kBytes>
TFMASK_INLINE void Dots(const T* vector, const F* base, const int64_t* offsets,
                        int64_t terms, int64_t channels, T* dots) {
  using R = Register<T, kBytes>;
  for (int64_t t = 0; t < terms; ++t) {
    const F* cell = base + offsets[t];
    // Four sums, because one addition waits for the one before it.
    typename R::type sums[4] = {};
    int64_t c = 0;
    for (; c + 4 * R::kLanes <= channels; c += 4 * R::kLanes) {
#pragma GCC unroll 4
      for (int i = 0; i < 4; ++i) {
        const int64_t at = c + i * R::kLanes;
        sums[i] += R::Load(vector + at) * R::Load(cell + at);
      }
    }
    for (; c + R::kLanes <= channels; c += R::kLanes) {
      sums[0] += R::Load(vector + c) * R::Load(cell + c);
    }
    const typename R::type all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    T lanes[R::kLanes];
    R::Store(lanes, all);
#pragma GCC unroll 8
    for (int half = R::kLanes / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    T dot = lanes[0];
    for (; c < channels; ++c) dot += vector[c] * Scalar(cell[c]);
    dots[t] = dot;
  }
}

// kCount registers of channels from c on.
template <typename F, typename T, int kBytes, int kCount>
TFMASK_INLINE int64_t ScatterBlocks(int64_t c, T* base, const int64_t* offsets,
                                    const T* weights, int64_t terms, const F* vector,
                                    int64_t channels) {
  using R = Register<T, kBytes>;
  for (; c + kCount * R::kLanes <= channels; c += kCount * R::kLanes) {
    typename R::type values[kCount];
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) values[i] = R::Load(vector + c + i * R::kLanes);
    for (int64_t t = 0; t < terms; ++t) {
      T* cell = base + offsets[t] + c;
      const T weight = weights[t];
      typename R::type sums[kCount];
#pragma GCC unroll 8
      for (int i = 0; i < kCount; ++i) {
        sums[i] = R::Load(cell + i * R::kLanes) + weight * values[i];
      }
#pragma GCC unroll 8
      for (int i = 0; i < kCount; ++i) R::Store(cell + i * R::kLanes, sums[i]);
    }
  }
  return c;
}

template <typename F, typename T, int kBytes>
TFMASK_INLINE void Scatter(T* base, const int64_t* offsets, const T* weights,
                           int64_t terms, const F* vector, int64_t channels) {
  int64_t c = ScatterBlocks<F, T, kBytes, 8>(0, base, offsets, weights, terms, vector,
                                             channels);
  c = ScatterBlocks<F, T, kBytes, 1>(c, base, offsets, weights, terms, vector,
                                     channels);
  for (; c < channels; ++c) {
    const T value = Scalar(vector[c]);
    for (int64_t t = 0; t < terms; ++t) base[offsets[t] + c] += weights[t] * value;
  }
}

// The same loops compiled for one instruction set. __attribute__((target_clones)) would
// choose while the library is loaded, before a sanitizer is ready.
#define TFMASK_VECTOR_MATH(NAME, TARGET, BYTES, COUNT)                                  \
  template <typename F, typename T>                                                    \
  struct NAME {                                                                        \
    TARGET static void Sum(T* out, const F* base, const int64_t* offsets,              \
                           const T* weights, int64_t terms, int64_t channels,          \
                           bool add) {                                                 \
      WeightedSum<F, T, BYTES, COUNT>(out, base, offsets, weights, terms, channels,    \
                                      add);                                            \
    }                                                                                  \
    TARGET static void Dot(const T* vector, const F* base, const int64_t* offsets,     \
                           int64_t terms, int64_t channels, T* dots) {                 \
      Dots<F, T, BYTES>(vector, base, offsets, terms, channels, dots);                 \
    }                                                                                  \
    TARGET static void Add(T* base, const int64_t* offsets, const T* weights,          \
                           int64_t terms, const F* vector, int64_t channels) {         \
      Scatter<F, T, BYTES>(base, offsets, weights, terms, vector, channels);           \
    }                                                                                  \
    TARGET static void Widen(T* to, const F* from, int64_t count) {                    \
      WidenAll<F, T>(to, from, count);                                                 \
    }                                                                                  \
    TARGET static void Round(F* to, const T* from, int64_t count) {                    \
      NarrowAll<F, T>(to, from, count);                                                \
    }                                                                                  \
    static constexpr VectorMath<F, T> kFunctions = {Sum, Dot, Add, Widen, Round};      \
  };

TFMASK_VECTOR_MATH(Portable, , 16, 8)
#if defined(__x86_64__)
TFMASK_VECTOR_MATH(Avx2, __attribute__((target("avx2,fma"))), 32, 8)
TFMASK_VECTOR_MATH(Avx512, __attribute__((target("avx512f,avx512bw,avx512vl,fma"))), 64,
                   16)
#endif
#undef TFMASK_VECTOR_MATH

}  // namespace vector_math

// The fastest version that this machine runs.
template <typename F, typename T>
const VectorMath<F, T>& FastestVectorMath() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512vl")) {
    return vector_math::Avx512<F, T>::kFunctions;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    return vector_math::Avx2<F, T>::kFunctions;
  }
#endif
  return vector_math::Portable<F, T>::kFunctions;
}

}  // namespace tfmask

#endif  // TFMASK_COMMON_VECTOR_MATH_H_
