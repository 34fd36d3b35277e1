// What the kernels of all ops share, without TensorFlow.
#ifndef TFMASK_COMMON_KERNEL_TYPES_H_
#define TFMASK_COMMON_KERNEL_TYPES_H_

#include <cstdint>
#include <functional>

namespace tfmask {

// The upper half of a float, and IEEE half precision; arithmetic is done in float.
struct BFloat16 {
  uint16_t bits;
};
struct Half {
  uint16_t bits;
};

// Runs work(begin, end) on parts of [0, units), each unit about `cost` nanoseconds.
using Parallel = std::function<void(int64_t units, int64_t cost,
                                    const std::function<void(int64_t, int64_t)>& work)>;

}  // namespace tfmask

#endif  // TFMASK_COMMON_KERNEL_TYPES_H_
