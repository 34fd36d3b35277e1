// Shape-aware RoIAlign on the CPU, without TensorFlow: what it computes and with what.
//
// out[m, h, w] = mean over the samples (a, b) of bin (h, w) of
//                feature(y_a, x_b) * mask(v_a, u_b)
//
// Without masks every mask value is 1 and this is RoIAlign. Sampling, border rule and
// the mapping of samples to the mask are derived in tfmask/ops/shape_aware_roi_align.py,
// which is the specification.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_KERNEL_H_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_KERNEL_H_

#include <cstdint>
#include <vector>

#include "../common/kernel_types.h"

namespace tfmask {

struct Level {
  int64_t height;
  int64_t width;
  float stride;  // pixels per cell
};

struct Geometry {
  std::vector<Level> levels;
  int64_t batch = 0;
  int64_t channels = 0;
  int64_t num_rois = 0;
  int64_t size = 0;  // bins per side
  int64_t mask_height = 0;
  int64_t mask_width = 0;
  int64_t sampling_ratio = 0;  // samples per bin and axis; 0: adaptive
  bool aligned = true;
};

// F is how features, pooled boxes and their gradients are stored, T what is computed with
// and what masks are. Batch indices and levels must be in range.
template <typename F, typename T>
struct Inputs {
  std::vector<const F*> features;  // per level: [batch, height, width, channels]
  const float* boxes;              // [num_rois, 4] x1, y1, x2, y2 in pixels
  const int32_t* batch_indices;    // [num_rois]
  const int32_t* levels;           // [num_rois]
  const T* masks;  // [num_rois, mask_height, mask_width]; null: RoIAlign
};

// out: [num_rois, size, size, channels], written entirely.
template <typename F, typename T>
void Forward(const Geometry& geometry, const Inputs<F, T>& inputs, F* out,
             const Parallel& parallel);

// grad_features: like the features, written entirely. Each cell adds its terms in the
// order of the boxes: the bits do not depend on the number of threads.
template <typename F, typename T>
void BackwardFeatures(const Geometry& geometry, const Inputs<F, T>& inputs,
                      const F* grad_out, const std::vector<F*>& grad_features,
                      const Parallel& parallel);

// grad_masks: like the masks, written entirely; the bits do not depend on the number
// of threads.
template <typename F, typename T>
void BackwardMasks(const Geometry& geometry, const Inputs<F, T>& inputs,
                   const F* grad_out, T* grad_masks, const Parallel& parallel);

}  // namespace tfmask

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_KERNEL_H_
