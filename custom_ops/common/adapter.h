// Between TensorFlow and the kernels: types, shapes, threads.
#ifndef TFMASK_COMMON_ADAPTER_H_
#define TFMASK_COMMON_ADAPTER_H_

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "kernel_types.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/util/work_sharder.h"

namespace tfmask {

// How the kernels see TensorFlow's types.
template <typename T>
struct StoredAs {
  using type = T;
};
template <>
struct StoredAs<tensorflow::bfloat16> {
  using type = BFloat16;
};
template <>
struct StoredAs<Eigen::half> {
  using type = Half;
};
template <typename T>
using Stored = typename StoredAs<T>::type;

template <typename T>
Stored<T>* StoredData(tensorflow::Tensor* tensor) {
  return reinterpret_cast<Stored<T>*>(tensor->flat<T>().data());
}

template <typename T>
const Stored<T>* StoredData(const tensorflow::Tensor& tensor) {
  return reinterpret_cast<const Stored<T>*>(tensor.flat<T>().data());
}

inline absl::Status Mismatch(const std::string& name, const tensorflow::Tensor& tensor,
                             const std::string& expected) {
  return absl::InvalidArgumentError(absl::StrCat(
      name, " has the shape ", tensor.shape().DebugString(), ": expected ", expected));
}

inline int NumThreads(tensorflow::OpKernelContext* context) {
  return context->device()->tensorflow_cpu_worker_threads()->num_threads;
}

// The threads of the device that runs a kernel on the CPU.
inline Parallel Threads(tensorflow::OpKernelContext* context) {
  const auto* workers = context->device()->tensorflow_cpu_worker_threads();
  return [workers](int64_t units, int64_t cost,
                   const std::function<void(int64_t, int64_t)>& work) {
    tensorflow::Shard(workers->num_threads, workers->workers, units, cost, work);
  };
}

}  // namespace tfmask

#endif  // TFMASK_COMMON_ADAPTER_H_
