// The TensorFlow side: op definitions, checks of the arguments, CPU kernels.
#define EIGEN_USE_THREADS

#include <type_traits>
#include <vector>

#include "kernel.h"
#include "op.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/util/work_sharder.h"

namespace tfmask {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Ranks of the shared inputs, from input `first` on: features, boxes, batch_indices,
// levels, masks. Gives the number of rois and of channels.
absl::Status CheckInputShapes(InferenceContext* c, int first, DimensionHandle* rois,
                              DimensionHandle* channels) {
  int num_levels;
  TF_RETURN_IF_ERROR(c->GetAttr("L", &num_levels));
  ShapeHandle shape;
  *channels = c->UnknownDim();
  for (int l = 0; l < num_levels; ++l) {
    TF_RETURN_IF_ERROR(c->WithRank(c->input(first + l), 4, &shape));
    TF_RETURN_IF_ERROR(c->Merge(*channels, c->Dim(shape, 3), channels));
  }
  const int boxes = first + num_levels;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(boxes), 2, &shape));
  DimensionHandle four;
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(shape, 1), 4, &four));
  *rois = c->Dim(shape, 0);
  for (int i = 1; i <= 2; ++i) {
    TF_RETURN_IF_ERROR(c->WithRank(c->input(boxes + i), 1, &shape));
    TF_RETURN_IF_ERROR(c->Merge(*rois, c->Dim(shape, 0), rois));
  }
  TF_RETURN_IF_ERROR(c->WithRank(c->input(boxes + 3), 3, &shape));
  bool has_masks;
  TF_RETURN_IF_ERROR(c->GetAttr("has_masks", &has_masks));
  if (has_masks) TF_RETURN_IF_ERROR(c->Merge(*rois, c->Dim(shape, 0), rois));
  return absl::OkStatus();
}

absl::Status ForwardShape(InferenceContext* c) {
  DimensionHandle rois, channels;
  TF_RETURN_IF_ERROR(CheckInputShapes(c, 0, &rois, &channels));
  int size;
  TF_RETURN_IF_ERROR(c->GetAttr("size", &size));
  c->set_output(0, c->MakeShape({rois, size, size, channels}));
  return absl::OkStatus();
}

absl::Status GradShape(InferenceContext* c) {
  DimensionHandle rois, channels;
  TF_RETURN_IF_ERROR(CheckInputShapes(c, 1, &rois, &channels));
  int num_levels;
  TF_RETURN_IF_ERROR(c->GetAttr("L", &num_levels));
  for (int l = 0; l < num_levels; ++l) c->set_output(l, c->input(1 + l));
  c->set_output(num_levels, c->input(num_levels + 4));
  return absl::OkStatus();
}

REGISTER_OP("Tfmask>ShapeAwareRoiAlign")
    .Attr("L: int >= 1")
    .Attr("T: {float, double, bfloat16}")
    .Attr("U: {float, double}")
    .Attr("size: int >= 1")
    .Attr("strides: list(float)")
    .Attr("sampling_ratio: int >= 0")
    .Attr("aligned: bool")
    .Attr("has_masks: bool")
    .Input("features: L * T")
    .Input("boxes: float")
    .Input("batch_indices: int32")
    .Input("levels: int32")
    .Input("masks: U")
    .Output("pooled: U")
    .SetShapeFn(ForwardShape);

REGISTER_OP("Tfmask>ShapeAwareRoiAlignGrad")
    .Attr("L: int >= 1")
    .Attr("T: {float, double, bfloat16}")
    .Attr("U: {float, double}")
    .Attr("size: int >= 1")
    .Attr("strides: list(float)")
    .Attr("sampling_ratio: int >= 0")
    .Attr("aligned: bool")
    .Attr("has_masks: bool")
    .Input("grad: U")
    .Input("features: L * T")
    .Input("boxes: float")
    .Input("batch_indices: int32")
    .Input("levels: int32")
    .Input("masks: U")
    .Output("grad_features: L * T")
    .Output("grad_masks: U")
    .SetShapeFn(GradShape);

absl::Status InRange(const char* name, int64_t roi, int64_t value, int64_t limit) {
  if (value >= 0 && value < limit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "roi ", roi, " has the ", name, " ", value, ": expected 0 to ", limit - 1));
}

template <typename F, typename T>
absl::Status CheckIndices(const Geometry& geometry, const Inputs<F, T>& inputs) {
  const int64_t num_levels = geometry.levels.size();
  for (int64_t m = 0; m < geometry.num_rois; ++m) {
    TF_RETURN_IF_ERROR(
        InRange("batch index", m, inputs.batch_indices[m], geometry.batch));
    TF_RETURN_IF_ERROR(InRange("level", m, inputs.levels[m], num_levels));
  }
  return absl::OkStatus();
}

Parallel Threads(OpKernelContext* context) {
  const auto* workers = context->device()->tensorflow_cpu_worker_threads();
  return [workers](int64_t units, int64_t cost,
                   const std::function<void(int64_t, int64_t)>& work) {
    tensorflow::Shard(workers->num_threads, workers->workers, units, cost, work);
  };
}

template <typename T, typename U>
class ForwardOp : public RoiAlignOp<T, U> {
 public:
  using RoiAlignOp<T, U>::RoiAlignOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<Stored<T>, U> inputs;
    OP_REQUIRES_OK(context, this->Read(context, 0, &geometry, &inputs));
    OP_REQUIRES_OK(context, CheckIndices(geometry, inputs));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(
                                {geometry.num_rois, geometry.size, geometry.size,
                                 geometry.channels},
                                &shape));
    Tensor* pooled = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &pooled));
    if (shape.num_elements() == 0) return;
    Forward(geometry, inputs, pooled->flat<U>().data(), Threads(context));
  }
};

template <typename T, typename U>
class GradOp : public RoiAlignOp<T, U> {
 public:
  using RoiAlignOp<T, U>::RoiAlignOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<Stored<T>, U> inputs;
    OP_REQUIRES_OK(context, this->Read(context, 1, &geometry, &inputs));
    OP_REQUIRES_OK(context, CheckIndices(geometry, inputs));
    const Tensor& grad = context->input(0);
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(
                                {geometry.num_rois, geometry.size, geometry.size,
                                 geometry.channels},
                                &shape));
    OP_REQUIRES(context, grad.shape() == shape,
                absl::InvalidArgumentError(
                    absl::StrCat("grad has the shape ", grad.shape().DebugString(),
                                 ": expected ", shape.DebugString())));
    // The terms of a bfloat16 gradient are summed in float.
    std::vector<Tensor> sums(this->num_levels_);
    std::vector<Tensor*> results(this->num_levels_);
    std::vector<U*> grad_features;
    for (int l = 0; l < this->num_levels_; ++l) {
      const TensorShape& map = context->input(1 + l).shape();
      OP_REQUIRES_OK(context, context->allocate_output(l, map, &results[l]));
      if constexpr (std::is_same_v<T, U>) {
        sums[l] = *results[l];
      } else {
        OP_REQUIRES_OK(context, context->allocate_temp(
                                    tensorflow::DataTypeToEnum<U>::value, map, &sums[l]));
      }
      grad_features.push_back(sums[l].template flat<U>().data());
    }
    const Parallel threads = Threads(context);
    const U* gradient = grad.flat<U>().data();
    if (geometry.channels > 0) {
      BackwardFeatures(geometry, inputs, gradient, grad_features, threads);
    }
    if constexpr (!std::is_same_v<T, U>) {
      for (int l = 0; l < this->num_levels_; ++l) {
        results[l]->template flat<T>().device(
            context->eigen_device<Eigen::ThreadPoolDevice>()) =
            sums[l].template flat<U>().template cast<T>();
      }
    }
    Tensor* grad_masks = nullptr;
    const TensorShape& mask_shape = context->input(this->num_levels_ + 4).shape();
    OP_REQUIRES_OK(context,
                   context->allocate_output(this->num_levels_, mask_shape, &grad_masks));
    if (this->has_masks_ && geometry.num_rois > 0) {
      BackwardMasks(geometry, inputs, gradient, grad_masks->flat<U>().data(), threads);
    }
  }
};

#define TFMASK_REGISTER(T, U)                                            \
  REGISTER_KERNEL_BUILDER(Name("Tfmask>ShapeAwareRoiAlign")              \
                              .Device(tensorflow::DEVICE_CPU)            \
                              .TypeConstraint<T>("T")                    \
                              .TypeConstraint<U>("U"),                   \
                          ForwardOp<T, U>);                              \
  REGISTER_KERNEL_BUILDER(Name("Tfmask>ShapeAwareRoiAlignGrad")          \
                              .Device(tensorflow::DEVICE_CPU)            \
                              .TypeConstraint<T>("T")                    \
                              .TypeConstraint<U>("U"),                   \
                          GradOp<T, U>);
TFMASK_REGISTER(float, float)
TFMASK_REGISTER(double, double)
TFMASK_REGISTER(tensorflow::bfloat16, float)
#undef TFMASK_REGISTER

}  // namespace
}  // namespace tfmask

// Whether features may stay on a GPU; asked by tfmask/ops/_library.py.
extern "C" int tfmask_has_gpu_kernels() {
#ifdef TFMASK_CUDA
  return 1;
#else
  return 0;
#endif
}
