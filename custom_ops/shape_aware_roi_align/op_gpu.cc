// The GPU kernels of the ops; built only where there is a CUDA compiler.
//
// Indices lie on the GPU and are not checked: a box whose index is out of range is pooled
// to zeros. Nothing waits for the GPU, and nothing is read back from it.
#define EIGEN_USE_GPU

#include <algorithm>
#include <limits>

#include "kernel_gpu.h"
#include "op.h"

namespace tfmask {
namespace {

absl::Status CudaStatus(int code) {
  if (code == cudaSuccess) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("shape-aware RoIAlign: CUDA error ", code, ": ",
                   cudaGetErrorString(static_cast<cudaError_t>(code))));
}

template <typename T>
constexpr int kDtype = TFMASK_F32;
template <>
constexpr int kDtype<double> = TFMASK_F64;
template <>
constexpr int kDtype<Eigen::half> = TFMASK_F16;
template <>
constexpr int kDtype<tensorflow::bfloat16> = TFMASK_BF16;

// What both kernels share: inputs checked, and the parameters of the launchers.
template <typename T, typename U>
class GpuOp : public RoiAlignOp<T, U> {
 public:
  using RoiAlignOp<T, U>::RoiAlignOp;

 protected:
  absl::Status Params(const Geometry& geometry, const Inputs<Stored<T>, U>& inputs,
                      TfmaskRoiParams* params) const {
    if (geometry.levels.size() > TFMASK_MAX_LEVELS) {
      return absl::InvalidArgumentError(
          absl::StrCat(geometry.levels.size(), " levels: the GPU kernel takes up to ",
                       TFMASK_MAX_LEVELS));
    }
    constexpr int64_t kLimit = std::numeric_limits<int32_t>::max();
    if (geometry.num_rois > kLimit || geometry.channels > kLimit) {
      return absl::InvalidArgumentError(
          "shape-aware RoIAlign on a GPU takes fewer than 2^31 boxes and channels");
    }
    *params = {};
    for (size_t l = 0; l < geometry.levels.size(); ++l) {
      params->features[l] = inputs.features[l];
      params->heights[l] = geometry.levels[l].height;
      params->widths[l] = geometry.levels[l].width;
      params->strides[l] = geometry.levels[l].stride;
    }
    std::copy(this->level_areas_.begin(), this->level_areas_.end(), params->level_areas);
    params->num_levels = geometry.levels.size();
    params->batch = geometry.batch;
    params->channels = geometry.channels;
    params->num_rois = geometry.num_rois;
    params->size = geometry.size;
    params->mask_height = geometry.mask_height;
    params->mask_width = geometry.mask_width;
    params->sampling_ratio = geometry.sampling_ratio;
    params->aligned = geometry.aligned;
    params->inclusive = this->inclusive_;
    return absl::OkStatus();
  }
};

template <typename T, typename U>
class GpuForwardOp : public GpuOp<T, U> {
 public:
  using GpuOp<T, U>::GpuOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<Stored<T>, U> inputs;
    OP_REQUIRES_OK(context, this->Read(context, 0, &geometry, &inputs));
    TfmaskRoiParams params;
    OP_REQUIRES_OK(context, this->Params(geometry, inputs, &params));
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
                       inputs.levels, inputs.masks, StoredData<T>(pooled),
                       context->eigen_gpu_device().stream())));
  }
};

template <typename T, typename U>
class GpuGradOp : public GpuOp<T, U> {
 public:
  using GpuOp<T, U>::GpuOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<Stored<T>, U> inputs;
    OP_REQUIRES_OK(context, this->Read(context, 1, &geometry, &inputs));
    TfmaskRoiParams params;
    OP_REQUIRES_OK(context, this->Params(geometry, inputs, &params));
    OP_REQUIRES_OK(context, this->CheckGrad(context, geometry));
    for (int l = 0; l < this->num_levels_; ++l) {
      Tensor* result = nullptr;
      OP_REQUIRES_OK(context, context->allocate_output(
                                  l, context->input(1 + l).shape(), &result));
      params.grad_features[l] = StoredData<T>(result);
    }
    Tensor* grad_masks = nullptr;
    const TensorShape& mask_shape = context->input(this->MasksInput(1)).shape();
    OP_REQUIRES_OK(context,
                   context->allocate_output(this->num_levels_, mask_shape, &grad_masks));
    OP_REQUIRES_OK(context,
                   CudaStatus(tfmask_shape_aware_roi_align_backward(
                       &params, kDtype<T>, inputs.boxes, inputs.batch_indices,
                       inputs.levels, inputs.masks, StoredData<T>(context->input(0)),
                       this->has_masks_ ? grad_masks->flat<U>().data() : nullptr,
                       context->eigen_gpu_device().stream())));
  }
};

#define TFMASK_REGISTER_GPU(T, U)                               \
  REGISTER_KERNEL_BUILDER(Name("Tfmask>ShapeAwareRoiAlign")     \
                              .Device(tensorflow::DEVICE_GPU)   \
                              .TypeConstraint<T>("T")           \
                              .TypeConstraint<U>("U"),          \
                          GpuForwardOp<T, U>);                  \
  REGISTER_KERNEL_BUILDER(Name("Tfmask>ShapeAwareRoiAlignGrad") \
                              .Device(tensorflow::DEVICE_GPU)   \
                              .TypeConstraint<T>("T")           \
                              .TypeConstraint<U>("U"),          \
                          GpuGradOp<T, U>);
TFMASK_REGISTER_GPU(float, float)
TFMASK_REGISTER_GPU(double, double)
TFMASK_REGISTER_GPU(tensorflow::bfloat16, float)
TFMASK_REGISTER_GPU(Eigen::half, float)
#undef TFMASK_REGISTER_GPU

}  // namespace
}  // namespace tfmask
