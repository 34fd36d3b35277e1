// How the GPU kernels move channels and share work inside a warp.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_VECTOR_GPU_CUH_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_VECTOR_GPU_CUH_

#include <cuda_runtime.h>
#include <stdint.h>

namespace tfmask {
namespace gpu {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xffffffffu;

// Stored types that are widened when read and rounded when written, so that no half
// arithmetic is needed.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

__device__ inline float Widen(float value) { return value; }
__device__ inline double Widen(double value) { return value; }
__device__ inline float Widen(BFloat16 value) {
  return __uint_as_float(static_cast<unsigned>(value.bits) << 16);
}
__device__ inline float Widen(Half value) {
#ifdef __CUDA_ARCH__
  float wide;
  asm("cvt.f32.f16 %0, %1;" : "=f"(wide) : "h"(value.bits));
  return wide;
#else
  // Moving the exponent and fraction into place leaves the exponent 112 too small; a
  // product with 2^112 is exact, for subnormal numbers too.
  const unsigned magnitude = value.bits & 0x7fffu;
  const unsigned sign = static_cast<unsigned>(value.bits & 0x8000u) << 16;
  const unsigned special = magnitude >= 0x7c00u ? 0x7f800000u : 0u;  // inf and NaN
  const float wide = __uint_as_float(magnitude << 13) * 0x1p112f;
  return __uint_as_float(sign | special | __float_as_uint(wide));
#endif
}

// To the nearest number of the stored type, ties to even.
__device__ inline void Narrow(float value, float* to) { *to = value; }
__device__ inline void Narrow(double value, double* to) { *to = value; }
__device__ inline void Narrow(float value, BFloat16* to) {
  const unsigned bits = __float_as_uint(value);
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  const unsigned rounded = bits + 0x7fffu + (bits >> 16 & 1u);
  to->bits = static_cast<uint16_t>(is_nan ? bits >> 16 | 0x40u : rounded >> 16);
}
__device__ inline void Narrow(float value, Half* to) {
#ifdef __CUDA_ARCH__
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(to->bits) : "f"(value));
#else
  const unsigned bits = __float_as_uint(value), sign = bits >> 16 & 0x8000u;
  unsigned magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) {
    magnitude = 0x7e00u;  // NaN
  } else if (magnitude >= 0x477ff000u) {
    magnitude = 0x7c00u;  // rounds to infinity
  } else if (magnitude < 0x38800000u) {
    // A subnormal half: its bits are the value in units of 2^-24, and adding 2^23 rounds
    // to that unit.
    const float units = __uint_as_float(magnitude) * 0x1p24f + 0x1p23f;
    magnitude = __float_as_uint(units) - 0x4b000000u;
  } else {
    magnitude += 0xfffu + (magnitude >> 13 & 1u);
    magnitude = (magnitude - (112u << 23)) >> 13;
  }
  to->bits = static_cast<uint16_t>(sign | magnitude);
#endif
}

// V neighbouring channels, moved by loads and stores of at most 16 bytes.
template <typename F, int V>
struct alignas(V * sizeof(F) < 16 ? V * sizeof(F) : 16) Pack {
  F values[V];
};

template <typename F, typename T, int V>
__device__ void Load(const F* from, T (&values)[V]) {
  const Pack<F, V> pack = *reinterpret_cast<const Pack<F, V>*>(from);
#pragma unroll
  for (int i = 0; i < V; ++i) values[i] = Widen(pack.values[i]);
}

template <typename F, typename T, int V>
__device__ void Store(const T (&values)[V], F* to) {
  Pack<F, V> pack;
#pragma unroll
  for (int i = 0; i < V; ++i) Narrow(values[i], &pack.values[i]);
  *reinterpret_cast<Pack<F, V>*>(to) = pack;
}

// How many channels a lane moves at once where they are aligned, and how many such
// vectors it holds: eight channels, or four of double.
template <typename F>
constexpr int kVector = 16 / sizeof(F);
template <typename F>
constexpr int kGroups = sizeof(F) == 2 ? 1 : 2;

template <typename T>
__device__ T WarpSum(T value) {
#pragma unroll
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, step);
  }
  return value;
}

// Distinct keys and the sums of their weights; one for each warp, in shared memory.
template <typename T>
struct Terms {
  int key[kWarp];
  T weight[kWarp];
  T staged[kWarp];
};

// Merges the (key >= 0, weight) of the active lanes of a warp; weights of one key are
// added in the order of the lanes. Returns the number of terms; *index is where the
// lane's own key went.
template <typename T>
__device__ int Merge(bool active, int key, T weight, Terms<T>* terms, int* index) {
  const int lane = threadIdx.x % kWarp;
  const unsigned peers = __match_any_sync(kAllLanes, active ? key : -1 - lane);
  const int first = __ffs(peers) - 1;
  const bool leads = active && first == lane;
  const unsigned leaders = __ballot_sync(kAllLanes, leads);
  *index = __popc(leaders & ((1u << first) - 1));
  __syncwarp();  // The terms before are no longer read.
  terms->staged[lane] = weight;
  __syncwarp();
  if (leads) {
    T sum = 0;
    for (unsigned rest = peers; rest != 0; rest &= rest - 1) {
      sum += terms->staged[__ffs(rest) - 1];
    }
    terms->key[*index] = key;
    terms->weight[*index] = sum;
  }
  __syncwarp();
  return __popc(leaders);
}

}  // namespace gpu
}  // namespace tfmask

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_VECTOR_GPU_CUH_
