// What the taps of a deformable convolution read, and its gradients, on the CPU and
// without TensorFlow.
//
// columns[cell, t] = modulation[cell, t] * bilinear reading of the features at
//                    (i s - p + t_y + dy,  j s - p + t_x + dx),   p = (size - 1) / 2,
//
// for output cell (i, j) and tap t = t_y size + t_x. Cells outside the map are zero. The
// specification is tfmask/ops/deform_columns.py.
#ifndef TFMASK_DEFORM_COLUMNS_KERNEL_H_
#define TFMASK_DEFORM_COLUMNS_KERNEL_H_

#include <cstdint>

#include "../common/kernel_types.h"

namespace tfmask {
namespace deform_columns {

struct Geometry {
  int64_t batch = 0, height = 0, width = 0, channels = 0;  // of the features
  int64_t out_height = 0, out_width = 0;
  int64_t size = 0;    // taps per side
  int64_t stride = 0;  // cells of the features per output cell

  int64_t taps() const { return size * size; }
};

// F is how features and columns are stored, T what is computed with.
template <typename F, typename T>
struct Inputs {
  const F* features;     // [batch, height, width, channels]
  const float* offsets;  // [batch, out_height, out_width, taps, 2] dy, dx in cells
  const T* modulation;   // [batch, out_height, out_width, taps]; null: ones
};

// columns: [batch, out_height, out_width, taps, channels], written entirely.
template <typename F, typename T>
void Forward(const Geometry& geometry, const Inputs<F, T>& inputs, F* columns,
             const Parallel& parallel);

// grad_features: like the features, written entirely. Each cell adds its terms in the
// order of the columns: the bits do not depend on the number of threads, which only
// says into how many parts to cut the rows.
template <typename F, typename T>
void BackwardFeatures(const Geometry& geometry, const Inputs<F, T>& inputs,
                      const F* grad_columns, F* grad_features, const Parallel& parallel,
                      int num_threads);

// grad_offsets, grad_modulation: like offsets and modulation, written entirely; the
// latter null where there is no modulation. On the line of cells itself the slope is that
// of the interval after it.
template <typename F, typename T>
void BackwardPlaces(const Geometry& geometry, const Inputs<F, T>& inputs,
                    const F* grad_columns, float* grad_offsets, T* grad_modulation,
                    const Parallel& parallel);

}  // namespace deform_columns
}  // namespace tfmask

#endif  // TFMASK_DEFORM_COLUMNS_KERNEL_H_
