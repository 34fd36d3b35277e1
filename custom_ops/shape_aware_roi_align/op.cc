// The TensorFlow side: op definitions, checks of the arguments, CPU kernels.
#include <algorithm>
#include <vector>

#include "kernel.h"
#include "op.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace tfmask {
namespace {

using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

// Ranks of the shared inputs, from input `first` on: features, boxes, batch_indices,
// levels if there are any, masks. Gives the number of rois and of channels.
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
  int assignments;
  TF_RETURN_IF_ERROR(c->GetAttr("P", &assignments));
  const int masks = boxes + 2 + assignments;
  for (int i = boxes + 1; i < masks; ++i) {
    TF_RETURN_IF_ERROR(c->WithRank(c->input(i), 1, &shape));
    TF_RETURN_IF_ERROR(c->Merge(*rois, c->Dim(shape, 0), rois));
  }
  TF_RETURN_IF_ERROR(c->WithRank(c->input(masks), 3, &shape));
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
  c->set_output(num_levels, c->input(c->num_inputs() - 1));
  return absl::OkStatus();
}

REGISTER_OP("Tfmask>ShapeAwareRoiAlign")
    .Attr("L: int >= 1")
    .Attr("P: int >= 0")
    .Attr("T: {float, double, bfloat16, half}")
    .Attr("U: {float, double}")
    .Attr("size: int >= 1")
    .Attr("strides: list(float)")
    .Attr("sampling_ratio: int >= 0")
    .Attr("aligned: bool")
    .Attr("has_masks: bool")
    .Attr("level_areas: list(float) = []")
    .Attr("inclusive: bool = false")
    .Input("features: L * T")
    .Input("boxes: float")
    .Input("batch_indices: int32")
    .Input("levels: P * int32")
    .Input("masks: U")
    .Output("pooled: T")
    .SetShapeFn(ForwardShape);

REGISTER_OP("Tfmask>ShapeAwareRoiAlignGrad")
    .Attr("L: int >= 1")
    .Attr("P: int >= 0")
    .Attr("T: {float, double, bfloat16, half}")
    .Attr("U: {float, double}")
    .Attr("size: int >= 1")
    .Attr("strides: list(float)")
    .Attr("sampling_ratio: int >= 0")
    .Attr("aligned: bool")
    .Attr("has_masks: bool")
    .Attr("level_areas: list(float) = []")
    .Attr("inclusive: bool = false")
    .Input("grad: T")
    .Input("features: L * T")
    .Input("boxes: float")
    .Input("batch_indices: int32")
    .Input("levels: P * int32")
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

// Levels by area, and boxes less a pixel: what the kernels are to see of the boxes.
struct Assigned {
  std::vector<float> boxes;
  std::vector<int32_t> levels;
};

template <typename F, typename T>
void Assign(const Geometry& geometry, const std::vector<float>& level_areas,
            bool inclusive, Inputs<F, T>* inputs, Assigned* assigned) {
  const float* boxes = inputs->boxes;
  if (inputs->levels == nullptr) {
    assigned->levels.resize(geometry.num_rois);
    for (int64_t m = 0; m < geometry.num_rois; ++m) {
      const float* box = boxes + 4 * m;
      const float area =
          std::max(box[2] - box[0], 0.0f) * std::max(box[3] - box[1], 0.0f);
      for (float least : level_areas) assigned->levels[m] += area >= least;
    }
    inputs->levels = assigned->levels.data();
  }
  if (inclusive) {
    assigned->boxes.assign(boxes, boxes + 4 * geometry.num_rois);
    for (int64_t m = 0; m < geometry.num_rois; ++m) {
      assigned->boxes[4 * m + 2] -= 1.0f;
      assigned->boxes[4 * m + 3] -= 1.0f;
    }
    inputs->boxes = assigned->boxes.data();
  }
}

template <typename T, typename U>
class ForwardOp : public RoiAlignOp<T, U> {
 public:
  using RoiAlignOp<T, U>::RoiAlignOp;

  void Compute(OpKernelContext* context) override {
    Geometry geometry;
    Inputs<Stored<T>, U> inputs;
    OP_REQUIRES_OK(context, this->Read(context, 0, &geometry, &inputs));
    Assigned assigned;
    Assign(geometry, this->level_areas_, this->inclusive_, &inputs, &assigned);
    OP_REQUIRES_OK(context, CheckIndices(geometry, inputs));
    TensorShape shape;
    OP_REQUIRES_OK(context, TensorShape::BuildTensorShape(
                                {geometry.num_rois, geometry.size, geometry.size,
                                 geometry.channels},
                                &shape));
    Tensor* pooled = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, shape, &pooled));
    if (shape.num_elements() == 0) return;
    Forward(geometry, inputs, StoredData<T>(pooled), Threads(context));
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
    Assigned assigned;
    Assign(geometry, this->level_areas_, this->inclusive_, &inputs, &assigned);
    OP_REQUIRES_OK(context, CheckIndices(geometry, inputs));
    OP_REQUIRES_OK(context, this->CheckGrad(context, geometry));
    std::vector<Stored<T>*> grad_features;
    for (int l = 0; l < this->num_levels_; ++l) {
      Tensor* result = nullptr;
      OP_REQUIRES_OK(context, context->allocate_output(
                                  l, context->input(1 + l).shape(), &result));
      grad_features.push_back(StoredData<T>(result));
    }
    const Parallel threads = Threads(context);
    const Stored<T>* gradient = StoredData<T>(context->input(0));
    if (geometry.channels > 0) {
      BackwardFeatures(geometry, inputs, gradient, grad_features, threads);
    }
    Tensor* grad_masks = nullptr;
    const TensorShape& mask_shape = context->input(this->MasksInput(1)).shape();
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
TFMASK_REGISTER(Eigen::half, float)
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
