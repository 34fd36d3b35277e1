// The part of CUDA that the kernels use, on the CPU: with this file in place of CUDA's
// own, g++ compiles the kernels and their launchers as they are.
//
// Every CUDA thread is a coroutine. Blocks run one after the other, and each warp of a
// block as far as it can get without the others: to a barrier of the block. Threads that
// wait at different places, or leave while others wait, are an error. The order of lanes,
// warps and blocks is set from outside: results that depend on it show a missing barrier. Not emulated are
// memory ordering, alignment faults and the code of `#if __CUDA_ARCH__`.
#ifndef TFMASK_HARNESS_EMULATION_CUDA_RUNTIME_H_
#define TFMASK_HARNESS_EMULATION_CUDA_RUNTIME_H_

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __shared__ static  // one block at a time

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorLaunchFailure = 719,
};
typedef void* cudaStream_t;

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
};

inline dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace emulation {

// Runs a thread's work for all threads of a grid.
cudaError_t Run(dim3 grid, dim3 block, const std::function<void()>& work);

enum class Place { kBlock, kWarp, kMatch, kBallot, kShuffle };

// Waits until all threads of the block (kBlock) or of the warp are there.
void Wait(Place place);

// One value of each thread, for the warp functions.
inline uint64_t values[1024];

inline uint64_t* WarpValues() { return values + threadIdx.x / 32 * 32; }

// All lanes give a value, and read those of the others.
template <typename T, typename Read>
auto Exchange(Place place, T value, Read read) {
  static_assert(sizeof(T) <= sizeof(uint64_t));
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  WarpValues()[threadIdx.x % 32] = bits;
  Wait(place);
  auto result = read(WarpValues());
  Wait(place);  // The values may be overwritten from here on.
  return result;
}

template <typename T>
T ValueOf(uint64_t bits) {
  T value;
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

}  // namespace emulation

inline void __syncthreads() { emulation::Wait(emulation::Place::kBlock); }
inline void __syncwarp() { emulation::Wait(emulation::Place::kWarp); }

inline unsigned __match_any_sync(unsigned, int key) {
  return emulation::Exchange(emulation::Place::kMatch, key, [&](const uint64_t* all) {
    unsigned lanes = 0;
    for (int i = 0; i < 32; ++i) {
      lanes |= static_cast<unsigned>(emulation::ValueOf<int>(all[i]) == key) << i;
    }
    return lanes;
  });
}

inline unsigned __ballot_sync(unsigned, bool vote) {
  return emulation::Exchange(emulation::Place::kBallot, vote,
                             [&](const uint64_t* all) {
                               unsigned lanes = 0;
                               for (int i = 0; i < 32; ++i) {
                                 lanes |= static_cast<unsigned>(all[i] != 0) << i;
                               }
                               return lanes;
                             });
}

template <typename T>
T __shfl_sync(unsigned, T value, int lane) {
  return emulation::Exchange(
      emulation::Place::kShuffle, value,
      [&](const uint64_t* all) { return emulation::ValueOf<T>(all[lane % 32]); });
}

template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int step) {
  return __shfl_sync(mask, value, static_cast<int>(threadIdx.x % 32) ^ step);
}

inline int __ffs(unsigned bits) { return __builtin_ffs(static_cast<int>(bits)); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
inline int __clz(unsigned bits) { return bits == 0 ? 32 : __builtin_clz(bits); }
using std::min;

inline float __uint_as_float(unsigned bits) { return emulation::ValueOf<float>(bits); }
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}

// Compiled with -ffp-contract=off.
inline double __dadd_rn(double a, double b) { return a + b; }
inline double __dmul_rn(double a, double b) { return a * b; }

template <typename T>
T atomicAdd(T* to, T value) {
  const T old = *to;
  *to = old + value;
  return old;
}

inline cudaError_t cudaMemsetAsync(void* data, int value, size_t count, cudaStream_t) {
  std::memset(data, value, count);
  return cudaSuccess;
}

template <typename... Expected, typename... Actual>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config,
                               void (*kernel)(Expected...), Actual&&... arguments) {
  return emulation::Run(config->gridDim, config->blockDim,
                        [&] { kernel(Expected(arguments)...); });
}

#endif  // TFMASK_HARNESS_EMULATION_CUDA_RUNTIME_H_
