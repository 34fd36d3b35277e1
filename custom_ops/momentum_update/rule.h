// What a step of SGD with momentum does to one number, on every device.
#ifndef TFMASK_MOMENTUM_UPDATE_RULE_H_
#define TFMASK_MOMENTUM_UPDATE_RULE_H_

#include <cmath>
#include <cstdint>

#ifdef __CUDACC__
#define TFMASK_EVERYWHERE __host__ __device__ __forceinline__
#else
#define TFMASK_EVERYWHERE inline
#endif

namespace tfmask {
namespace momentum_update {

constexpr int64_t kChunk = 16384;  // numbers that are summed and updated together

// The same in every step.
struct Rule {
  float momentum;
  float clip_norm;  // bound on the norm over all gradients, 0: none
  bool nesterov;
};

// Of one step.
struct Step {
  float rate;
  float loss_scale;  // the gradients are those of the loss times this
  float clip;        // what gradients are multiplied by
};

// Of one weight.
struct Share {
  float decay;   // of the L2 decay
  float factor;  // what its gradient, decay included, is multiplied by
};

TFMASK_EVERYWHERE int64_t ChunksOf(int64_t size) { return (size + kChunk - 1) / kChunk; }

// Of no infinity and no NaN is the difference to itself zero.
TFMASK_EVERYWHERE bool IsFinite(float value) { return value - value == 0; }

// Half the square of the norm, from the sum of squares.
TFMASK_EVERYWHERE float HalfSquare(double squares) {
  return static_cast<float>(0.5 * squares);
}

// What clips gradients, from the sum of what HalfSquare gave of each.
TFMASK_EVERYWHERE float ClipOf(double half_squares, float clip_norm) {
  if (clip_norm <= 0) return 1.0f;
  const float norm = sqrtf(static_cast<float>(2 * half_squares));
  return clip_norm / (norm > clip_norm ? norm : clip_norm);
}

// As Keras has it: the velocity holds the rate.
TFMASK_EVERYWHERE void UpdateOne(const Rule& rule, const Step& step, const Share& share,
                                 float gradient, float* weight, float* velocity) {
  float g = gradient / step.loss_scale * step.clip;
  if (share.decay != 0) g += *weight * share.decay;
  g *= share.factor;
  const float v = *velocity * rule.momentum - g * step.rate;
  *velocity = v;
  *weight += rule.nesterov ? v * rule.momentum - g * step.rate : v;
}

}  // namespace momentum_update
}  // namespace tfmask

#endif  // TFMASK_MOMENTUM_UPDATE_RULE_H_
