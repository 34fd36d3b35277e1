// C interface of the CUDA kernels of shape-aware RoIAlign, without TensorFlow.
//
// Pointers are device pointers, those in TfmaskRoiParams too; the struct itself is read
// on the host before a function returns. Work is queued on `stream`. A function returns
// a cudaError_t: cudaErrorInvalidValue for sizes that the kernels refuse (see Check in
// kernel_gpu.cu), else what the launch reported.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_KERNEL_GPU_H_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_KERNEL_GPU_H_

#include <cuda_runtime.h>
#include <stdint.h>

#define TFMASK_MAX_LEVELS 8

typedef struct {
  const void* features[TFMASK_MAX_LEVELS];  // [batch, heights[l], widths[l], channels]
  void* grad_features[TFMASK_MAX_LEVELS];   // backward only, written entirely
  int32_t heights[TFMASK_MAX_LEVELS];
  int32_t widths[TFMASK_MAX_LEVELS];
  float strides[TFMASK_MAX_LEVELS];  // pixels per cell
  // Without levels: a box is on as many levels above the first as there are entries
  // level_areas[0 .. num_levels - 2] that its area in pixels reaches; ascending, > 0.
  float level_areas[TFMASK_MAX_LEVELS];
  int32_t num_levels, batch, channels, num_rois;
  int32_t size;                     // bins per side
  int32_t mask_height, mask_width;  // 0: RoIAlign without masks
  int32_t sampling_ratio;           // samples per bin and axis; 0: adaptive
  int32_t aligned;
  int32_t inclusive;  // pooling reads x2 - 1 and y2 - 1; the area is of x2 and y2
} TfmaskRoiParams;

// Type of the features, of out and of their gradients; computed in float, and masks are
// float: double for TFMASK_F64.
enum TfmaskDtype { TFMASK_F32 = 0, TFMASK_F64 = 1, TFMASK_F16 = 2, TFMASK_BF16 = 3 };

#ifdef __cplusplus
extern "C" {
#endif

// boxes [M, 4] x1, y1, x2, y2 in pixels, batch_indices [M], levels [M] or null (by area),
// masks [M, Hp, Wp] or null; writes out [M, S, S, C]. An index out of range gives a box
// of zeros.
int tfmask_shape_aware_roi_align_forward(const TfmaskRoiParams* p, int dtype,
                                         const float* boxes,
                                         const int32_t* batch_indices,
                                         const int32_t* levels, const void* masks,
                                         void* out, cudaStream_t stream);

// grad_out [M, S, S, C]; writes p->grad_features and grad_masks [M, Hp, Wp], which may
// be null. Both have the same bits in every run.
int tfmask_shape_aware_roi_align_backward(const TfmaskRoiParams* p, int dtype,
                                          const float* boxes,
                                          const int32_t* batch_indices,
                                          const int32_t* levels, const void* masks,
                                          const void* grad_out, void* grad_masks,
                                          cudaStream_t stream);

#ifdef __cplusplus
}
#endif

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_KERNEL_GPU_H_
