// The GPU kernels of the ops; built only where there is a CUDA compiler.
//
// Features are float or double: Python casts the others. Indices lie on the GPU and are
// not checked: a box whose index is out of range is pooled to zeros.
#define EIGEN_USE_GPU

#include <limits>
#include <vector>

#include "kernel_gpu.h"
#include "op.h"
#include "tensorflow/core/util/determinism.h"

namespace tfmask {
namespace {

absl::Status CudaStatus(int code) {
  if (code == cudaSuccess) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("shape-aware RoIAlign: CUDA error ", code, ": ",
                   cudaGetErrorString(static_cast<cudaError_t>(code))));
}

template <typename T>
constexpr int kDtype = std::is_same_v<T, double> ? TFMASK_F64 : TFMASK_F32;

template <typename T>
absl::Status Params(const Geometry& geometry, const Inputs<T, T>& inputs,
                    TfmaskRoiParams* params) {
  if (geometry.levels.size() > TFMASK_MAX_LEVELS) {
    return absl::InvalidArgumentError(
        absl::StrCat(geometry.levels.size(), " levels: the GPU kernel takes up to ",
                     TFMASK_MAX_LEVELS));
  }
  *params = {};
  for (size_t l = 0; l < geometry.levels.size(); ++l) {
    params->features[l] = inputs.features[l];
    params->heights[l] = geometry.levels[l].height;
    params->widths[l] = geometry.levels[l].width;
    params->strides[l] = geometry.levels[l].stride;
  }
  constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();
  if (geometry.num_rois > kLimit || geometry.channels > kLimit) {
    return absl::InvalidArgumentError(
        "shape-aware RoIAlign on a GPU takes fewer than 2^31 boxes and channels");
  }
  params->num_levels = geometry.levels.size();
  params->batch = geometry.batch;
  params->channels = geometry.channels;
  params->num_rois = geometry.num_rois;
  params->size = geometry.size;
  params->mask_height = geometry.mask_height;
  params->mask_width = geometry.mask_width;
  params->sampling_ratio = geometry.sampling_ratio;
  params->aligned = geometry.aligned;
  return absl::OkStatus();
}

template <typename T>
class GpuForwardOp : public RoiAlignOp<T, T> {
 public:
  using RoiAlignOp<T, T>::RoiAlignOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<T, T> inputs;
    OP_REQUIRES_OK(context, this->Read(context, 0, &geometry, &inputs));
    TfmaskRoiParams params;
    OP_REQUIRES_OK(context, Params(geometry, inputs, &params));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(
                                {geometry.num_rois, geometry.size, geometry.size,
                                 geometry.channels},
                                &shape));
    Tensor* pooled = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &pooled));
    if (shape.num_elements() == 0) return;
    OP_REQUIRES_OK(context,
                   CudaStatus(tfmask_shape_aware_roi_align_forward(
                       &params, kDtype<T>, inputs.boxes, inputs.batch_indices,
                       inputs.levels, inputs.masks, pooled->flat<T>().data(),
                       context->eigen_gpu_device().stream())));
  }
};

template <typename T>
class GpuGradOp : public RoiAlignOp<T, T> {
 public:
  using RoiAlignOp<T, T>::RoiAlignOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<T, T> inputs;
    OP_REQUIRES_OK(context, this->Read(context, 1, &geometry, &inputs));
    TfmaskRoiParams params;
    OP_REQUIRES_OK(context, Params(geometry, inputs, &params));
    for (int l = 0; l < this->num_levels_; ++l) {
      Tensor* result = nullptr;
      OP_REQUIRES_OK(context, context->allocate_output(
                                  l, context->input(1 + l).shape(), &result));
      params.grad_features[l] = result->flat<T>().data();
    }
    Tensor* grad_masks = nullptr;
    const TensorShape& mask_shape = context->input(this->num_levels_ + 4).shape();
    OP_REQUIRES_OK(context,
                   context->allocate_output(this->num_levels_, mask_shape, &grad_masks));
    OP_REQUIRES_OK(
        context,
        CudaStatus(tfmask_shape_aware_roi_align_backward(
            &params, kDtype<T>, inputs.boxes, inputs.batch_indices, inputs.levels,
            inputs.masks, context->input(0).flat<T>().data(),
            this->has_masks_ ? grad_masks->flat<T>().data() : nullptr,
            tensorflow::OpDeterminismRequired(),
            context->eigen_gpu_device().stream())));
  }
};

#define TFMASK_REGISTER_GPU(T)                                \
  REGISTER_KERNEL_BUILDER(Name("Tfmask>ShapeAwareRoiAlign")   \
                              .Device(tensorflow::DEVICE_GPU) \
                              .TypeConstraint<T>("T")         \
                              .TypeConstraint<T>("U"),        \
                          GpuForwardOp<T>);                   \
  REGISTER_KERNEL_BUILDER(Name("Tfmask>ShapeAwareRoiAlignGrad") \
                              .Device(tensorflow::DEVICE_GPU) \
                              .TypeConstraint<T>("T")         \
                              .TypeConstraint<T>("U"),        \
                          GpuGradOp<T>);
TFMASK_REGISTER_GPU(float)
TFMASK_REGISTER_GPU(double)
#undef TFMASK_REGISTER_GPU

}  // namespace
}  // namespace tfmask
