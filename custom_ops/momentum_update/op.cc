// The TensorFlow side: op definition and CPU kernel.
#include "op.h"

#include <cstring>

#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/shape_inference.h"

namespace tfmask {
namespace momentum_update {
namespace {

using tensorflow::shape_inference::InferenceContext;

REGISTER_OP("Tfmask>MomentumUpdate")
    .Attr("N: int >= 1")
    .Attr("momentum: float")
    .Attr("nesterov: bool")
    .Attr("clip_norm: float")
    .Attr("decays: list(float)")
    .Attr("factors: list(float)")
    .Input("weights: N * resource")
    .Input("velocities: N * resource")
    .Input("gradients: N * float")
    .Input("values: float")
    .Input("rate: float")
    .Input("loss_scale: float")
    .Output("norms: float")
    .Output("finite: bool")
    .SetIsStateful()
    .SetShapeFn([](InferenceContext* c) {
      int count;
      TF_RETURN_IF_ERROR(c->GetAttr("N", &count));
      c->set_output(0, c->Vector(count));
      c->set_output(1, c->Scalar());
      return absl::OkStatus();
    });

class CpuOp : public MomentumUpdateOp {
 public:
  using MomentumUpdateOp::MomentumUpdateOp;

  void Compute(OpKernelContext* context) override {
    const auto copy = [](Tensor* to, const Tensor& from) {
      std::memcpy(to->data(), from.data(), from.TotalBytes());
      return absl::OkStatus();
    };
    LockedVariables variables;
    std::vector<Weight> weights;
    OP_REQUIRES_OK(context, this->Read(context, copy, &variables, &weights));
    Tensor *norms = nullptr, *finite = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, {count_}, &norms));
    OP_REQUIRES_OK(context, context->allocate_output(1, {}, &finite));
    const Tensor& values = this->Values(context);
    finite->scalar<bool>()() =
        Update(weights, rule_, *this->Rate(context), *this->LossScale(context),
               values.flat<float>().data(), values.NumElements(),
               norms->flat<float>().data(), Threads(context));
  }
};

REGISTER_KERNEL_BUILDER(Name("Tfmask>MomentumUpdate").Device(tensorflow::DEVICE_CPU),
                        CpuOp);

}  // namespace
}  // namespace momentum_update
}  // namespace tfmask

// Whether weights may stay on a GPU; asked by tfmask/ops/_library.py.
extern "C" int tfmask_has_gpu_kernels() {
#ifdef TFMASK_CUDA
  return 1;
#else
  return 0;
#endif
}
