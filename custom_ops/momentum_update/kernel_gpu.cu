// The update of all weights on a GPU: three kernels for each 88 weights, and one for all.
//
// A launch takes at most 4 KiB of arguments: the weights come in groups of as many as
// these describe. Each block has one chunk of one weight.
#include "kernel_gpu.h"

#include <algorithm>

#include "rule.h"

namespace tfmask {
namespace momentum_update {
namespace {

constexpr int kWarp = 32;
constexpr int kThreads = 256;
constexpr int kGroup = 88;
constexpr int kVector = 4;  // numbers that a thread moves at once

// Some weights, as a kernel gets them.
struct Group {
  const float* gradients[kGroup];
  float* weights[kGroup];
  float* velocities[kGroup];
  int64_t sizes[kGroup];
  Share shares[kGroup];
  int32_t first_chunk[kGroup + 1];  // in the group
  int32_t count;
};
static_assert(sizeof(Group) <= 3968, "with what else a kernel takes, at most 4 KiB");

// What Decide finds, for Update.
struct Decision {
  Step step;
  int32_t finite;
};

struct alignas(16) Four {
  float values[kVector];
};

// Of one chunk.
struct Part {
  int weight;  // in the group
  int64_t begin, end;
};

__device__ __forceinline__ Part PartOf(const Group& group, int chunk) {
  int low = 0, high = group.count - 1;  // the last weight that begins at or before it
  while (low < high) {
    const int middle = (low + high + 1) / 2;
    if (group.first_chunk[middle] <= chunk) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  const int64_t begin = (chunk - group.first_chunk[low]) * kChunk;
  const int64_t size = group.sizes[low];
  return {low, begin, begin + kChunk < size ? begin + kChunk : size};
}

__device__ __forceinline__ bool InVectors(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % sizeof(Four) == 0;
}

// The sum over the threads of a block, in thread 0; in an order that never changes.
__device__ double BlockSum(double value) {
  __shared__ double sums[kThreads / kWarp];
  for (int step = kWarp / 2; step > 0; step /= 2) {
    value += __shfl_xor_sync(0xffffffffu, value, step);
  }
  __syncthreads();  // of an earlier call
  if (threadIdx.x % kWarp == 0) sums[threadIdx.x / kWarp] = value;
  __syncthreads();
  double sum = 0;
  for (int i = 0; i < kThreads / kWarp; ++i) sum += sums[i];
  return sum;
}

// sums[chunk]: of the squares of a chunk's gradient.
__global__ void __launch_bounds__(kThreads)
    SumSquares(const __grid_constant__ Group group, const float* loss_scale,
               double* sums) {
  const Part part = PartOf(group, blockIdx.x);
  const float* gradient = group.gradients[part.weight];
  const float scale = *loss_scale;
  float sum = 0;
  int64_t i = part.begin;
  if (InVectors(gradient)) {  // a chunk begins at a multiple of four
    const int64_t end = part.begin + (part.end - part.begin) / kVector * kVector;
    for (i += threadIdx.x * kVector; i < end; i += kThreads * kVector) {
      const Four four = *reinterpret_cast<const Four*>(gradient + i);
      for (int k = 0; k < kVector; ++k) {
        const float g = four.values[k] / scale;
        sum += g * g;
      }
    }
    i = end;
  }
  for (i += threadIdx.x; i < part.end; i += kThreads) {
    const float g = gradient[i] / scale;
    sum += g * g;
  }
  const double all = BlockSum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = all;
}

// norms[weight], a block for each.
__global__ void __launch_bounds__(kThreads)
    SumNorms(const __grid_constant__ Group group, const double* sums, float* norms) {
  const int weight = blockIdx.x;
  double sum = 0;
  for (int chunk = group.first_chunk[weight] + threadIdx.x;
       chunk < group.first_chunk[weight + 1]; chunk += kThreads) {
    sum += sums[chunk];
  }
  sum = BlockSum(sum);
  if (threadIdx.x == 0) norms[weight] = HalfSquare(sum);
}

// Whether all is finite, and by what gradients are clipped; one block.
__global__ void __launch_bounds__(kThreads)
    Decide(const float* norms, int count, const float* values, int64_t num_values,
           const float* rate, const float* loss_scale, float clip_norm,
           Decision* decision, uint8_t* finite) {
  double half_squares = 0, bad = 0;
  for (int i = threadIdx.x; i < count; i += kThreads) {
    half_squares += norms[i];
    bad += !IsFinite(norms[i]);
  }
  for (int64_t i = threadIdx.x; i < num_values; i += kThreads) {
    bad += !IsFinite(values[i]);
  }
  half_squares = BlockSum(half_squares);
  bad = BlockSum(bad);
  if (threadIdx.x != 0) return;
  *decision = {{*rate, *loss_scale, ClipOf(half_squares, clip_norm)}, bad == 0};
  *finite = bad == 0;
}

__global__ void __launch_bounds__(kThreads)
    Update(const __grid_constant__ Group group, const Rule rule,
           const Decision* decision) {
  if (!decision->finite) return;
  const Step step = decision->step;
  const Part part = PartOf(group, blockIdx.x);
  const float* gradient = group.gradients[part.weight];
  float* weight = group.weights[part.weight];
  float* velocity = group.velocities[part.weight];
  const Share share = group.shares[part.weight];
  int64_t i = part.begin;
  if (InVectors(gradient) && InVectors(weight) && InVectors(velocity)) {
    const int64_t end = part.begin + (part.end - part.begin) / kVector * kVector;
    for (i += threadIdx.x * kVector; i < end; i += kThreads * kVector) {
      const Four g = *reinterpret_cast<const Four*>(gradient + i);
      Four w = *reinterpret_cast<const Four*>(weight + i);
      Four v = *reinterpret_cast<const Four*>(velocity + i);
      for (int k = 0; k < kVector; ++k) {
        UpdateOne(rule, step, share, g.values[k], w.values + k, v.values + k);
      }
      *reinterpret_cast<Four*>(weight + i) = w;
      *reinterpret_cast<Four*>(velocity + i) = v;
    }
    i = end;
  }
  for (i += threadIdx.x; i < part.end; i += kThreads) {
    UpdateOne(rule, step, share, gradient[i], weight + i, velocity + i);
  }
}

template <typename... Expected, typename... Actual>
cudaError_t Launch(void (*kernel)(Expected...), int64_t blocks, cudaStream_t stream,
                   Actual... arguments) {
  if (blocks == 0) return cudaSuccess;
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(kThreads);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Expected>(arguments)...);
}

int64_t AllChunks(int32_t count, const int64_t* sizes) {
  int64_t chunks = 0;
  for (int32_t w = 0; w < count; ++w) chunks += ChunksOf(sizes[w]);
  return chunks;
}

// The weights from `first` on, as many as a group holds.
Group GroupFrom(const TfmaskUpdate& update, int32_t first) {
  Group group = {};
  group.count = std::min(update.count - first, kGroup);
  for (int32_t i = 0; i < group.count; ++i) {
    const int32_t w = first + i;
    group.gradients[i] = update.gradients[w];
    group.weights[i] = update.weights[w];
    group.velocities[i] = update.velocities[w];
    group.sizes[i] = update.sizes[w];
    group.shares[i] = {update.decays[w], update.factors[w]};
    group.first_chunk[i + 1] =
        group.first_chunk[i] + static_cast<int32_t>(ChunksOf(update.sizes[w]));
  }
  return group;
}

// Calls function(group, number of its first weight, that of its first chunk).
template <typename Function>
cudaError_t ForGroups(const TfmaskUpdate& update, Function function) {
  int64_t chunk = 0;
  for (int32_t first = 0; first < update.count; first += kGroup) {
    const Group group = GroupFrom(update, first);
    const cudaError_t error = function(group, first, chunk);
    if (error != cudaSuccess) return error;
    chunk += group.first_chunk[group.count];
  }
  return cudaSuccess;
}

}  // namespace
}  // namespace momentum_update
}  // namespace tfmask

extern "C" int64_t tfmask_momentum_update_scratch(int32_t count, const int64_t* sizes) {
  using namespace tfmask::momentum_update;
  return 16 * ((sizeof(Decision) + 15) / 16) +
         sizeof(double) * AllChunks(count, sizes);
}

extern "C" int tfmask_momentum_update(const TfmaskUpdate* update, cudaStream_t stream) {
  using namespace tfmask::momentum_update;
  const TfmaskUpdate& u = *update;
  if (u.count < 1 || u.num_values < 0 || u.scratch == nullptr) {
    return cudaErrorInvalidValue;
  }
  for (int32_t w = 0; w < u.count; ++w) {
    if (u.sizes[w] < 0) return cudaErrorInvalidValue;
  }
  if (AllChunks(u.count, u.sizes) > INT32_MAX) return cudaErrorInvalidValue;
  auto* decision = static_cast<Decision*>(u.scratch);
  double* sums = reinterpret_cast<double*>(static_cast<char*>(u.scratch) +
                                           16 * ((sizeof(Decision) + 15) / 16));
  const Rule rule = {u.momentum, u.clip_norm, u.nesterov != 0};
  cudaError_t error = ForGroups(u, [&](const Group& group, int32_t first, int64_t chunk) {
    const int64_t chunks = group.first_chunk[group.count];
    const cudaError_t sum =
        Launch(SumSquares, chunks, stream, group, u.loss_scale, sums + chunk);
    if (sum != cudaSuccess) return sum;
    return Launch(SumNorms, group.count, stream, group, sums + chunk, u.norms + first);
  });
  if (error == cudaSuccess) {
    error = Launch(Decide, 1, stream, u.norms, u.count, u.values, u.num_values, u.rate,
                   u.loss_scale, u.clip_norm, decision, u.finite);
  }
  if (error != cudaSuccess) return error;
  return ForGroups(u, [&](const Group& group, int32_t, int64_t) {
    return Launch(Update, group.first_chunk[group.count], stream, group, rule, decision);
  });
}
