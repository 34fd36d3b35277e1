// Attributes and checked inputs of the ops, for every device.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_OP_H_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_OP_H_

#include <cmath>
#include <vector>

#include "../common/adapter.h"
#include "kernel.h"

namespace tfmask {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;

// Attributes and inputs that both ops share.
template <typename T, typename U>
class RoiAlignOp : public OpKernel {
 public:
  explicit RoiAlignOp(OpKernelConstruction* construction) : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("L", &num_levels_));
    OP_REQUIRES_OK(construction, construction->GetAttr("P", &num_assignments_));
    OP_REQUIRES_OK(construction, construction->GetAttr("level_areas", &level_areas_));
    OP_REQUIRES_OK(construction, construction->GetAttr("inclusive", &inclusive_));
    OP_REQUIRES_OK(construction, construction->GetAttr("size", &size_));
    OP_REQUIRES_OK(construction, construction->GetAttr("strides", &strides_));
    OP_REQUIRES_OK(construction, construction->GetAttr("sampling_ratio", &sampling_));
    OP_REQUIRES_OK(construction, construction->GetAttr("aligned", &aligned_));
    OP_REQUIRES_OK(construction, construction->GetAttr("has_masks", &has_masks_));
    OP_REQUIRES(construction, static_cast<int>(strides_.size()) == num_levels_,
                absl::InvalidArgumentError(absl::StrCat(
                    "strides has ", strides_.size(), " entries and features has ",
                    num_levels_, ": expected one stride for each level")));
    for (float stride : strides_) {
      // Boxes end at 1e6 pixels: they must be finite in cells too.
      OP_REQUIRES(construction,
                  stride > 0 && std::isfinite(stride) && std::isfinite(1e6f / stride),
                  absl::InvalidArgumentError(absl::StrCat(
                      "stride ", stride, ": expected a positive number of pixels")));
    }
    const size_t areas = num_assignments_ == 0 ? num_levels_ - 1 : 0;
    OP_REQUIRES(construction, num_assignments_ <= 1 && level_areas_.size() == areas,
                absl::InvalidArgumentError(absl::StrCat(
                    "level_areas has ", level_areas_.size(), " entries beside ",
                    num_assignments_, " levels: expected ", areas)));
    for (size_t i = 0; i < areas; ++i) {
      const float least = i == 0 ? 0.0f : level_areas_[i - 1];
      OP_REQUIRES(construction, level_areas_[i] > least,
                  absl::InvalidArgumentError(
                      absl::StrCat("level_areas has ", level_areas_[i], " after ", least,
                                   ": expected ascending areas above 0")));
    }
    OP_REQUIRES(construction, sampling_ <= 4096,
                absl::InvalidArgumentError(absl::StrCat(
                    "sampling_ratio ", sampling_, ": expected 0 to 4096")));
  }

 protected:
  // Checks shapes. Without levels, inputs->levels is null.
  absl::Status Read(OpKernelContext* context, int first, Geometry* geometry,
                    Inputs<Stored<T>, U>* inputs) const {
    const Tensor& boxes = context->input(first + num_levels_);
    const Tensor& batch_indices = context->input(first + num_levels_ + 1);
    const Tensor& masks = context->input(MasksInput(first));
    const Tensor& finest = context->input(first);
    if (boxes.dims() != 2 || boxes.dim_size(1) != 4) {
      return Mismatch("boxes", boxes, "[M, 4]");
    }
    const int64_t rois = boxes.dim_size(0);
    if (batch_indices.dims() != 1 || batch_indices.dim_size(0) != rois) {
      return Mismatch("batch_indices", batch_indices, absl::StrCat("[", rois, "]"));
    }
    inputs->levels = nullptr;
    if (num_assignments_ == 1) {
      const Tensor& levels = context->input(first + num_levels_ + 2);
      if (levels.dims() != 1 || levels.dim_size(0) != rois) {
        return Mismatch("levels", levels, absl::StrCat("[", rois, "]"));
      }
      inputs->levels = levels.flat<int32_t>().data();
    }
    if (has_masks_ && (masks.dims() != 3 || masks.dim_size(0) != rois ||
                       masks.dim_size(1) < 1 || masks.dim_size(2) < 1)) {
      return Mismatch("masks", masks, absl::StrCat("[", rois, ", Hp, Wp]"));
    }
    for (int l = 0; l < num_levels_; ++l) {
      const Tensor& map = context->input(first + l);
      if (map.dims() != 4 || map.dim_size(0) != finest.dim_size(0) ||
          map.dim_size(3) != finest.dim_size(3)) {
        return Mismatch(absl::StrCat("features of level ", l), map,
                        "[B, H, W, C] with the B and C of level 0");
      }
      if (map.dim_size(1) < 1 || map.dim_size(2) < 1) {
        return Mismatch(absl::StrCat("features of level ", l), map,
                        "at least one cell");
      }
      geometry->levels.push_back({map.dim_size(1), map.dim_size(2), strides_[l]});
      inputs->features.push_back(StoredData<T>(map));
    }
    geometry->batch = finest.dim_size(0);
    geometry->channels = finest.dim_size(3);
    geometry->num_rois = rois;
    geometry->size = size_;
    geometry->sampling_ratio = sampling_;
    geometry->aligned = aligned_;
    inputs->boxes = boxes.flat<float>().data();
    inputs->batch_indices = batch_indices.flat<int32_t>().data();
    inputs->masks = nullptr;
    if (has_masks_) {
      geometry->mask_height = masks.dim_size(1);
      geometry->mask_width = masks.dim_size(2);
      inputs->masks = masks.flat<U>().data();
    }
    return absl::OkStatus();
  }

  // Checks the shape of input 0 of the gradient.
  absl::Status CheckGrad(OpKernelContext* context, const Geometry& geometry) const {
    const Tensor& grad = context->input(0);
    if (grad.dims() == 4 && grad.dim_size(0) == geometry.num_rois &&
        grad.dim_size(1) == geometry.size && grad.dim_size(2) == geometry.size &&
        grad.dim_size(3) == geometry.channels) {
      return absl::OkStatus();
    }
    return Mismatch("grad", grad,
                    absl::StrCat("[", geometry.num_rois, ", ", geometry.size, ", ",
                                 geometry.size, ", ", geometry.channels, "]"));
  }

  // The index of the input masks, where `first` is that of the features.
  int MasksInput(int first) const { return first + num_levels_ + 2 + num_assignments_; }

  int num_levels_, num_assignments_, size_, sampling_;
  std::vector<float> strides_, level_areas_;
  bool aligned_, inclusive_, has_masks_;
};

}  // namespace tfmask

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_OP_H_
