// C interface of the CUDA kernels of the update, without TensorFlow.
//
// Pointers are device pointers but for the struct and its arrays, which are read on the
// host before the function returns. Work is queued on `stream`; nothing waits for it.
#ifndef TFMASK_MOMENTUM_UPDATE_KERNEL_GPU_H_
#define TFMASK_MOMENTUM_UPDATE_KERNEL_GPU_H_

#include <cuda_runtime.h>
#include <stdint.h>

typedef struct {
  int32_t count;  // of weights
  const float* const* gradients;
  float* const* weights;
  float* const* velocities;
  const int64_t* sizes;
  const float* decays;
  const float* factors;
  float momentum, clip_norm;
  int32_t nesterov;
  const float *rate, *loss_scale;  // one number each
  const float* values;             // that must be finite too
  int64_t num_values;
  float* norms;    // [count], written: half the square of each gradient's norm
  uint8_t* finite;  // one number, written: 1, or 0 and nothing was updated
  void* scratch;   // tfmask_momentum_update_scratch bytes, aligned to 16
} TfmaskUpdate;

#ifdef __cplusplus
extern "C" {
#endif

// Bytes of scratch memory for weights of these sizes.
int64_t tfmask_momentum_update_scratch(int32_t count, const int64_t* sizes);

// Updates all weights. Returns a cudaError_t, cudaErrorInvalidValue for sizes that the
// kernels refuse. The bits are the same in every run.
int tfmask_momentum_update(const TfmaskUpdate* update, cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif  // TFMASK_MOMENTUM_UPDATE_KERNEL_GPU_H_
