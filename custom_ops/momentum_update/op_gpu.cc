// The GPU kernel of the op; built only where there is a CUDA compiler.
//
// Nothing waits for the GPU, and nothing is read back from it.
#define EIGEN_USE_GPU

#include "kernel_gpu.h"
#include "op.h"

namespace tfmask {
namespace momentum_update {
namespace {

absl::Status CudaStatus(int code) {
  if (code == cudaSuccess) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("momentum update: CUDA error ", code, ": ",
                                          cudaGetErrorString(static_cast<cudaError_t>(code))));
}

class GpuOp : public MomentumUpdateOp {
 public:
  using MomentumUpdateOp::MomentumUpdateOp;

  void Compute(OpKernelContext* context) override {
    const cudaStream_t stream = context->eigen_gpu_device().stream();
    const auto copy = [stream](Tensor* to, const Tensor& from) {
      return CudaStatus(cudaMemcpyAsync(to->data(), from.data(), from.TotalBytes(),
                                        cudaMemcpyDeviceToDevice, stream));
    };
    LockedVariables variables;
    std::vector<Weight> weights;
    OP_REQUIRES_OK(context, this->Read(context, copy, &variables, &weights));
    std::vector<const float*> gradients;
    std::vector<float*> values, velocities;
    std::vector<int64_t> sizes;
    std::vector<float> decays, factors;
    for (const Weight& weight : weights) {
      gradients.push_back(weight.gradient);
      values.push_back(weight.weight);
      velocities.push_back(weight.velocity);
      sizes.push_back(weight.size);
      decays.push_back(weight.share.decay);
      factors.push_back(weight.share.factor);
    }
    Tensor *norms = nullptr, *finite = nullptr, scratch;
    OP_REQUIRES_OK(context, context->allocate_output(0, {count_}, &norms));
    OP_REQUIRES_OK(context, context->allocate_output(1, {}, &finite));
    const int64_t bytes = tfmask_momentum_update_scratch(count_, sizes.data());
    OP_REQUIRES_OK(context,
                   context->allocate_temp(tensorflow::DT_UINT8, {bytes}, &scratch));
    const Tensor& checked = this->Values(context);
    TfmaskUpdate update = {};
    update.count = count_;
    update.gradients = gradients.data();
    update.weights = values.data();
    update.velocities = velocities.data();
    update.sizes = sizes.data();
    update.decays = decays.data();
    update.factors = factors.data();
    update.momentum = rule_.momentum;
    update.clip_norm = rule_.clip_norm;
    update.nesterov = rule_.nesterov;
    update.rate = this->Rate(context);
    update.loss_scale = this->LossScale(context);
    update.values = checked.flat<float>().data();
    update.num_values = checked.NumElements();
    update.norms = norms->flat<float>().data();
    update.finite = reinterpret_cast<uint8_t*>(finite->flat<bool>().data());
    update.scratch = scratch.data();
    OP_REQUIRES_OK(context, CudaStatus(tfmask_momentum_update(&update, stream)));
  }
};

REGISTER_KERNEL_BUILDER(Name("Tfmask>MomentumUpdate")
                            .Device(tensorflow::DEVICE_GPU)
                            .HostMemory("weights")
                            .HostMemory("velocities"),
                        GpuOp);

}  // namespace
}  // namespace momentum_update
}  // namespace tfmask
