// The TensorFlow side: op definitions, checks of the arguments, CPU kernels.
#include <string>

#include "../common/adapter.h"
#include "kernel.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace tfmask {
namespace deform_columns {
namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Ranks and channels of features, offsets and modulation, from input `first` on.
absl::Status CheckInputShapes(InferenceContext* c, int first) {
  int size;
  bool modulated;
  TF_RETURN_IF_ERROR(c->GetAttr("size", &size));
  TF_RETURN_IF_ERROR(c->GetAttr("modulated", &modulated));
  ShapeHandle features, offsets, modulation;
  TF_RETURN_IF_ERROR(c->WithRank(c->input(first), 4, &features));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(first + 1), 4, &offsets));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(first + 2), 4, &modulation));
  DimensionHandle merged;
  TF_RETURN_IF_ERROR(c->Merge(c->Dim(features, 0), c->Dim(offsets, 0), &merged));
  TF_RETURN_IF_ERROR(c->WithValue(c->Dim(offsets, 3), 2 * size * size, &merged));
  if (!modulated) return absl::OkStatus();
  for (int axis = 0; axis < 3; ++axis) {
    TF_RETURN_IF_ERROR(
        c->Merge(c->Dim(offsets, axis), c->Dim(modulation, axis), &merged));
  }
  return c->WithValue(c->Dim(modulation, 3), size * size, &merged);
}

absl::Status ForwardShape(InferenceContext* c) {
  TF_RETURN_IF_ERROR(CheckInputShapes(c, 0));
  int size;
  TF_RETURN_IF_ERROR(c->GetAttr("size", &size));
  DimensionHandle cells = c->Dim(c->input(1), 0);
  for (int axis = 1; axis < 3; ++axis) {
    TF_RETURN_IF_ERROR(c->Multiply(cells, c->Dim(c->input(1), axis), &cells));
  }
  c->set_output(0, c->MakeShape({cells, size * size, c->Dim(c->input(0), 3)}));
  return absl::OkStatus();
}

absl::Status GradShape(InferenceContext* c) {
  TF_RETURN_IF_ERROR(CheckInputShapes(c, 1));
  for (int i = 0; i < 3; ++i) c->set_output(i, c->input(1 + i));
  return absl::OkStatus();
}

REGISTER_OP("Tfmask>DeformColumns")
    .Attr("T: {float, double, bfloat16, half}")
    .Attr("U: {float, double}")
    .Attr("size: int >= 1")
    .Attr("stride: int >= 1")
    .Attr("modulated: bool")
    .Input("features: T")
    .Input("offsets: float")
    .Input("modulation: U")
    .Output("columns: T")
    .SetShapeFn(ForwardShape);

REGISTER_OP("Tfmask>DeformColumnsGrad")
    .Attr("T: {float, double, bfloat16, half}")
    .Attr("U: {float, double}")
    .Attr("size: int >= 1")
    .Attr("stride: int >= 1")
    .Attr("modulated: bool")
    .Input("grad: T")
    .Input("features: T")
    .Input("offsets: float")
    .Input("modulation: U")
    .Output("grad_features: T")
    .Output("grad_offsets: float")
    .Output("grad_modulation: U")
    .SetShapeFn(GradShape);

// Attributes and inputs that both ops share.
template <typename T, typename U>
class DeformColumnsOp : public OpKernel {
 public:
  explicit DeformColumnsOp(OpKernelConstruction* construction)
      : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("size", &size_));
    OP_REQUIRES_OK(construction, construction->GetAttr("stride", &stride_));
    OP_REQUIRES_OK(construction, construction->GetAttr("modulated", &modulated_));
    OP_REQUIRES(construction, size_ % 2 == 1,
                absl::InvalidArgumentError(absl::StrCat(
                    "size is ", size_, ": expected an odd number of taps per side")));
  }

 protected:
  // Checks the shapes of features, offsets and modulation, from input `first` on.
  absl::Status Read(OpKernelContext* context, int first, Geometry* geometry,
                    Inputs<Stored<T>, U>* inputs) const {
    const Tensor& features = context->input(first);
    const Tensor& offsets = context->input(first + 1);
    const Tensor& modulation = context->input(first + 2);
    if (features.dims() != 4) return Mismatch("features", features, "[B, H, W, C]");
    geometry->batch = features.dim_size(0);
    geometry->height = features.dim_size(1);
    geometry->width = features.dim_size(2);
    geometry->channels = features.dim_size(3);
    geometry->out_height = (geometry->height + stride_ - 1) / stride_;
    geometry->out_width = (geometry->width + stride_ - 1) / stride_;
    geometry->size = size_;
    geometry->stride = stride_;
    TF_RETURN_IF_ERROR(
        CheckPerCell("offsets", offsets, *geometry, 2 * geometry->taps()));
    inputs->features = StoredData<T>(features);
    inputs->offsets = offsets.flat<float>().data();
    inputs->modulation = nullptr;
    if (modulated_) {
      TF_RETURN_IF_ERROR(
          CheckPerCell("modulation", modulation, *geometry, geometry->taps()));
      inputs->modulation = modulation.flat<U>().data();
    }
    return absl::OkStatus();
  }

  absl::Status ColumnsShape(const Geometry& geometry, TensorShape* shape) const {
    const int64_t cells = geometry.batch * geometry.out_height * geometry.out_width;
    return TensorShape::BuildTensorShape({cells, geometry.taps(), geometry.channels},
                                         shape);
  }

  int size_, stride_;
  bool modulated_;

 private:
  static absl::Status CheckPerCell(const std::string& name, const Tensor& tensor,
                                   const Geometry& geometry, int64_t channels) {
    if (tensor.dims() == 4 && tensor.dim_size(0) == geometry.batch &&
        tensor.dim_size(1) == geometry.out_height &&
        tensor.dim_size(2) == geometry.out_width && tensor.dim_size(3) == channels) {
      return absl::OkStatus();
    }
    return Mismatch(
        name, tensor,
        absl::StrCat("[", geometry.batch, ", ", geometry.out_height, ", ",
                     geometry.out_width, ", ", channels, "] for features of ",
                     geometry.height, "x", geometry.width, " cells, ", geometry.size,
                     "x", geometry.size, " taps and stride ", geometry.stride));
  }
};

template <typename T, typename U>
class ForwardOp : public DeformColumnsOp<T, U> {
 public:
  using DeformColumnsOp<T, U>::DeformColumnsOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<Stored<T>, U> inputs;
    TensorShape shape;
    OP_REQUIRES_OK(context, this->Read(context, 0, &geometry, &inputs));
    OP_REQUIRES_OK(context, this->ColumnsShape(geometry, &shape));
    Tensor* columns = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &columns));
    if (shape.num_elements() == 0) return;
    Forward(geometry, inputs, StoredData<T>(columns), Threads(context));
  }
};

template <typename T, typename U>
class GradOp : public DeformColumnsOp<T, U> {
 public:
  using DeformColumnsOp<T, U>::DeformColumnsOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<Stored<T>, U> inputs;
    TensorShape shape;
    OP_REQUIRES_OK(context, this->Read(context, 1, &geometry, &inputs));
    OP_REQUIRES_OK(context, this->ColumnsShape(geometry, &shape));
    const Tensor& grad = context->input(0);
    OP_REQUIRES(context, grad.shape() == shape,
                Mismatch("grad", grad, shape.DebugString()));
    Tensor* results[3] = {};
    for (int i = 0; i < 3; ++i) {
      OP_REQUIRES_OK(context, context->allocate_output(
                                  i, context->input(1 + i).shape(), &results[i]));
    }
    const Parallel threads = Threads(context);
    const Stored<T>* gradient = StoredData<T>(grad);
    BackwardFeatures(geometry, inputs, gradient, StoredData<T>(results[0]), threads,
                     NumThreads(context));
    U* grad_modulation = this->modulated_ ? results[2]->flat<U>().data() : nullptr;
    BackwardPlaces(geometry, inputs, gradient, results[1]->flat<float>().data(),
                   grad_modulation, threads);
  }
};

#define TFMASK_REGISTER(T, U)                                      \
  REGISTER_KERNEL_BUILDER(Name("Tfmask>DeformColumns")             \
                              .Device(tensorflow::DEVICE_CPU)      \
                              .TypeConstraint<T>("T")              \
                              .TypeConstraint<U>("U"),             \
                          ForwardOp<T, U>);                        \
  REGISTER_KERNEL_BUILDER(Name("Tfmask>DeformColumnsGrad")         \
                              .Device(tensorflow::DEVICE_CPU)      \
                              .TypeConstraint<T>("T")              \
                              .TypeConstraint<U>("U"),             \
                          GradOp<T, U>);
TFMASK_REGISTER(float, float)
TFMASK_REGISTER(double, double)
TFMASK_REGISTER(tensorflow::bfloat16, float)
TFMASK_REGISTER(Eigen::half, float)
#undef TFMASK_REGISTER

}  // namespace
}  // namespace deform_columns
}  // namespace tfmask

// Whether features may stay on a GPU; asked by tfmask/ops/_library.py.
extern "C" int tfmask_has_gpu_kernels() { return 0; }
