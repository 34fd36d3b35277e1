// The update of all weights on the CPU, without TensorFlow.
#ifndef TFMASK_MOMENTUM_UPDATE_KERNEL_H_
#define TFMASK_MOMENTUM_UPDATE_KERNEL_H_

#include <vector>

#include "../common/kernel_types.h"
#include "rule.h"

namespace tfmask {
namespace momentum_update {

struct Weight {
  const float* gradient;
  float* weight;
  float* velocity;
  int64_t size;
  Share share;
};

// Updates weights and velocities unless a gradient or one of `values` is not finite.
// Writes half the square of each gradient's norm, after division by the loss scale, and
// returns whether all was finite. The bits do not depend on the number of threads.
bool Update(const std::vector<Weight>& weights, const Rule& rule, float rate,
            float loss_scale, const float* values, int64_t num_values, float* norms,
            const Parallel& threads);

}  // namespace momentum_update
}  // namespace tfmask

#endif  // TFMASK_MOMENTUM_UPDATE_KERNEL_H_
