// Attributes and checked inputs of the op, for every device.
#ifndef TFMASK_MOMENTUM_UPDATE_OP_H_
#define TFMASK_MOMENTUM_UPDATE_OP_H_

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "../common/adapter.h"
#include "kernel.h"
#include "tensorflow/core/framework/resource_mgr.h"
#include "tensorflow/core/framework/resource_var.h"

namespace tfmask {
namespace momentum_update {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::Tensor;
using tensorflow::Var;

// Holds the locks of variables, each once and in one order for all kernels.
class LockedVariables {
 public:
  ~LockedVariables() {
    for (auto lock = order_.rbegin(); lock != order_.rend(); ++lock) (*lock)->unlock();
  }

  // Finds `count` variables from input `first` on.
  absl::Status Add(OpKernelContext* context, int first, int count) {
    for (int i = first; i < first + count; ++i) {
      tensorflow::core::RefCountPtr<Var> variable;
      TF_RETURN_IF_ERROR(tensorflow::LookupResource(
          context, tensorflow::HandleFromInput(context, i), &variable));
      variables_.push_back(std::move(variable));
    }
    return absl::OkStatus();
  }

  // False where a variable was added twice; then none is locked.
  bool Lock() {
    std::vector<tensorflow::mutex*> locks;
    for (const auto& variable : variables_) locks.push_back(variable->mu());
    std::sort(locks.begin(), locks.end(), std::less<tensorflow::mutex*>());
    if (std::adjacent_find(locks.begin(), locks.end()) != locks.end()) return false;
    for (tensorflow::mutex* lock : locks) {
      lock->lock();
      order_.push_back(lock);
    }
    return true;
  }

  Var* operator[](int i) const { return variables_[i].get(); }

 private:
  std::vector<tensorflow::core::RefCountPtr<Var>> variables_;
  std::vector<tensorflow::mutex*> order_;
};

class MomentumUpdateOp : public OpKernel {
 public:
  explicit MomentumUpdateOp(OpKernelConstruction* construction)
      : OpKernel(construction) {
    OP_REQUIRES_OK(construction, construction->GetAttr("N", &count_));
    OP_REQUIRES_OK(construction, construction->GetAttr("momentum", &rule_.momentum));
    OP_REQUIRES_OK(construction, construction->GetAttr("nesterov", &rule_.nesterov));
    OP_REQUIRES_OK(construction, construction->GetAttr("clip_norm", &rule_.clip_norm));
    OP_REQUIRES_OK(construction, construction->GetAttr("decays", &decays_));
    OP_REQUIRES_OK(construction, construction->GetAttr("factors", &factors_));
    const size_t count = count_;
    OP_REQUIRES(construction, decays_.size() == count && factors_.size() == count,
                absl::InvalidArgumentError(absl::StrCat(
                    decays_.size(), " decays and ", factors_.size(), " factors for ",
                    count_, " weights: expected one of each for each weight")));
    OP_REQUIRES(construction, rule_.clip_norm >= 0,
                absl::InvalidArgumentError(absl::StrCat(
                    "clip_norm ", rule_.clip_norm, ": expected 0 or more")));
  }

 protected:
  // Copies the second tensor to the first, on the device.
  using Copy = std::function<absl::Status(Tensor*, const Tensor&)>;

  // Checks everything and makes the memory of the variables that of nobody else.
  absl::Status Read(OpKernelContext* context, const Copy& copy,
                    LockedVariables* variables, std::vector<Weight>* weights) const {
    for (int i = 3 * count_ + 1; i < 3 * count_ + 3; ++i) {
      if (context->input(i).NumElements() != 1) {
        const char* name = i == 3 * count_ + 1 ? "rate" : "loss_scale";
        return Mismatch(name, context->input(i), "one number");
      }
    }
    TF_RETURN_IF_ERROR(variables->Add(context, 0, 2 * count_));
    if (!variables->Lock()) {
      return absl::InvalidArgumentError(
          "a variable comes twice among weights and velocities: expected each once");
    }
    for (int i = 0; i < 2 * count_; ++i) {
      TF_RETURN_IF_ERROR(Check(context, i, (*variables)[i]));
    }
    for (int i = 0; i < 2 * count_; ++i) {
      TF_RETURN_IF_ERROR(Own(context, copy, (*variables)[i]));
    }
    for (int i = 0; i < count_; ++i) {
      const Tensor& gradient = context->input(2 * count_ + i);
      weights->push_back({gradient.flat<float>().data(), Data((*variables)[i]),
                          Data((*variables)[count_ + i]), gradient.NumElements(),
                          Share{decays_[i], factors_[i]}});
    }
    return absl::OkStatus();
  }

  const Tensor& Values(OpKernelContext* context) const {
    return context->input(3 * count_);
  }
  const float* Rate(OpKernelContext* context) const {
    return context->input(3 * count_ + 1).flat<float>().data();
  }
  const float* LossScale(OpKernelContext* context) const {
    return context->input(3 * count_ + 2).flat<float>().data();
  }

  int count_;
  Rule rule_;

 private:
  static float* Data(Var* variable) { return variable->tensor()->flat<float>().data(); }

  // Variable i: a weight, or from count_ on a velocity.
  absl::Status Check(OpKernelContext* context, int i, Var* variable) const {
    const int weight = i % count_;
    const std::string name =
        absl::StrCat(i < count_ ? "weight " : "velocity of weight ", weight);
    if (!variable->is_initialized) {
      return absl::FailedPreconditionError(absl::StrCat(name, " has no value yet"));
    }
    if (variable->tensor()->dtype() != tensorflow::DT_FLOAT) {
      return absl::InvalidArgumentError(absl::StrCat(
          name, " is ", tensorflow::DataTypeString(variable->tensor()->dtype()),
          ": expected float"));
    }
    const Tensor& gradient = context->input(2 * count_ + weight);
    if (variable->tensor()->shape() != gradient.shape()) {
      return Mismatch(name, *variable->tensor(),
                      absl::StrCat(gradient.shape().DebugString(),
                                   ", as its gradient has"));
    }
    return absl::OkStatus();
  }

  // What was read of a variable stays as it was: then it gets other memory.
  static absl::Status Own(OpKernelContext* context, const Copy& copy, Var* variable) {
    Tensor* tensor = variable->tensor();
    if (tensor->RefCountIsOne()) return absl::OkStatus();
    tensorflow::AllocatorAttributes attributes;
    attributes.set_gpu_compatible(true);
    attributes.set_nic_compatible(true);
    Tensor own;
    TF_RETURN_IF_ERROR(context->allocate_temp(tensorflow::DT_FLOAT, tensor->shape(),
                                              &own, attributes));
    TF_RETURN_IF_ERROR(copy(&own, *tensor));
    *tensor = own;
    return absl::OkStatus();
  }

  std::vector<float> decays_, factors_;
};

}  // namespace momentum_update
}  // namespace tfmask

#endif  // TFMASK_MOMENTUM_UPDATE_OP_H_
