// Launchers of the CUDA kernels of shape-aware RoIAlign.
#include "kernel_gpu.h"

#include <algorithm>

#include "masks_gpu.cuh"
#include "tile_gpu.cuh"

namespace tfmask {
namespace gpu {
namespace {

constexpr int64_t kMaxGrid = 65535;  // of the second and third dimension
constexpr int64_t kMaxIndex = INT32_MAX;
constexpr int kWantedBlocks = 2048;  // several for each multiprocessor
using GradientPatch = Patch<2, 2, 4, 2>;  // docs/custom_ops.md says why

// What a call passes on to the kernels.
struct Call {
  const TfmaskRoiParams& p;
  const float* boxes;
  const int32_t* batch_indices;
  const int32_t* levels;
  const void* masks;
  cudaStream_t stream;

  template <typename T>
  Rois<T> RoisOf() const {
    return {boxes, batch_indices, levels,
            p.mask_height > 0 ? static_cast<const T*>(masks) : nullptr};
  }
};

// Sizes whose products the kernels hold in 32 bits; offsets into tensors have 64.
cudaError_t Check(const TfmaskRoiParams& p, const void* masks) {
  bool fits = p.num_levels >= 1 && p.num_levels <= TFMASK_MAX_LEVELS && p.batch >= 0 &&
              p.batch <= kMaxGrid && p.channels >= 0 && p.channels <= kMaxGrid * kWarp &&
              p.num_rois >= 0 && p.size >= 1 && p.sampling_ratio >= 0 &&
              int64_t{p.size} * std::max(p.sampling_ratio, 1) <= INT16_MAX &&
              p.mask_height >= 0 && p.mask_width >= 0 &&
              int64_t{p.mask_height} * p.mask_width <= kMaxIndex - kThreads &&
              (p.mask_height == 0) == (p.mask_width == 0) &&
              (p.mask_height == 0 || p.num_rois == 0 || masks != nullptr);
  for (int l = 0; fits && l < p.num_levels; ++l) {
    fits = p.heights[l] >= 0 && p.widths[l] >= 0 && p.strides[l] > 0 &&
           int64_t{p.heights[l]} * p.widths[l] <= kMaxIndex;
  }
  return fits ? cudaSuccess : cudaErrorInvalidValue;
}

bool IsAligned(const void* pointer) {
  return reinterpret_cast<uintptr_t>(pointer) % 16 == 0;
}

// Whether channels can be moved in vectors of `width`.
bool InVectors(const TfmaskRoiParams& p, const void* rows, int width) {
  bool aligned = p.channels % width == 0 && IsAligned(rows);
  for (int l = 0; l < p.num_levels; ++l) {
    aligned = aligned && IsAligned(p.features[l]) && IsAligned(p.grad_features[l]);
  }
  return aligned;
}

template <typename... Expected, typename... Actual>
cudaError_t Launch(void (*kernel)(Expected...), dim3 grid, cudaStream_t stream,
                   Actual... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = grid;
  config.blockDim = dim3(kThreads);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Expected>(arguments)...);
}

template <typename F, typename T, int V, int G>
cudaError_t RunForward(const Call& call, F* out) {
  const TfmaskRoiParams& p = call.p;
  const int64_t bins = int64_t{p.size} * p.size;
  const int64_t channel_blocks = ChannelBlocks<V, G>(p.channels);
  const int64_t parts = (bins + kBinsPerBlock - 1) / kBinsPerBlock;
  const dim3 grid(p.num_rois,
                  channel_blocks * std::min(parts, kMaxGrid / channel_blocks));
  return Launch(Forward<F, T, V, G>, grid, call.stream, p, call.RoisOf<T>(), out);
}

template <typename F, typename T, int V, int G>
cudaError_t RunBackwardFeatures(const Call& call, const F* grad_out) {
  const TfmaskRoiParams& p = call.p;
  int64_t tiles = 0;
  for (int l = 0; l < p.num_levels; ++l) {
    tiles += TilesOf(p, l, GradientPatch::kTileRows, GradientPatch::kTileColumns) * p.batch;
  }
  if (tiles == 0) return cudaSuccess;
  if (tiles > kMaxIndex) return cudaErrorInvalidValue;
  const dim3 grid(tiles, ChannelBlocks<V, G>(p.channels));
  const Rois<T> rois = call.RoisOf<T>();
  const auto kernel = rois.masks == nullptr
                          ? BackwardFeatures<F, T, V, G, GradientPatch, false>
                          : BackwardFeatures<F, T, V, G, GradientPatch, true>;
  return Launch(kernel, grid, call.stream, p, rois, grad_out);
}

template <typename F, typename T, int V, int G>
cudaError_t RunBackward(const Call& call, const F* grad_out, T* grad_masks) {
  const TfmaskRoiParams& p = call.p;
  const cudaError_t error = RunBackwardFeatures<F, T, V, G>(call, grad_out);
  if (error != cudaSuccess || grad_masks == nullptr) return error;
  if (p.mask_height == 0 || p.num_rois == 0) return cudaSuccess;
  const int bands = std::min({std::max(kWantedBlocks / p.num_rois, 1), 8,
                              static_cast<int>(p.mask_height)});
  return Launch(BackwardMasks<F, T, V, G>, dim3(p.num_rois, bands), call.stream, p,
                call.RoisOf<T>(), grad_out, grad_masks);
}

template <typename F, typename T>
cudaError_t DispatchForward(const Call& call, void* out) {
  F* rows = static_cast<F*>(out);
  return InVectors(call.p, out, kVector<F>)
             ? RunForward<F, T, kVector<F>, kGroups<F>>(call, rows)
             : RunForward<F, T, 1, 2>(call, rows);
}

template <typename F, typename T>
cudaError_t DispatchBackward(const Call& call, const void* grad_out,
                             void* grad_masks) {
  const TfmaskRoiParams& p = call.p;
  const F* grad = static_cast<const F*>(grad_out);
  T* masks = static_cast<T*>(grad_masks);
  if (p.channels == 0) {  // no gradient of features to write
    const int64_t count = int64_t{p.num_rois} * p.mask_height * p.mask_width;
    if (masks == nullptr || count == 0) return cudaSuccess;
    return cudaMemsetAsync(masks, 0, count * sizeof(T), call.stream);
  }
  return InVectors(p, grad, kVector<F>)
             ? RunBackward<F, T, kVector<F>, kGroups<F>>(call, grad, masks)
             : RunBackward<F, T, 1, 2>(call, grad, masks);
}

}  // namespace
}  // namespace gpu
}  // namespace tfmask

extern "C" int tfmask_shape_aware_roi_align_forward(
    const TfmaskRoiParams* p, int dtype, const float* boxes,
    const int32_t* batch_indices, const int32_t* levels, const void* masks, void* out,
    cudaStream_t stream) {
  using namespace tfmask::gpu;
  const cudaError_t error = Check(*p, masks);
  if (error != cudaSuccess || p->num_rois == 0 || p->channels == 0) return error;
  const Call call = {*p, boxes, batch_indices, levels, masks, stream};
  switch (dtype) {
    case TFMASK_F32: return DispatchForward<float, float>(call, out);
    case TFMASK_F64: return DispatchForward<double, double>(call, out);
    case TFMASK_F16: return DispatchForward<Half, float>(call, out);
    case TFMASK_BF16: return DispatchForward<BFloat16, float>(call, out);
  }
  return cudaErrorInvalidValue;
}

extern "C" int tfmask_shape_aware_roi_align_backward(
    const TfmaskRoiParams* p, int dtype, const float* boxes,
    const int32_t* batch_indices, const int32_t* levels, const void* masks,
    const void* grad_out, void* grad_masks, cudaStream_t stream) {
  using namespace tfmask::gpu;
  const cudaError_t error = Check(*p, masks);
  if (error != cudaSuccess) return error;
  const Call call = {*p, boxes, batch_indices, levels, masks, stream};
  switch (dtype) {
    case TFMASK_F32:
      return DispatchBackward<float, float>(call, grad_out, grad_masks);
    case TFMASK_F64:
      return DispatchBackward<double, double>(call, grad_out, grad_masks);
    case TFMASK_F16:
      return DispatchBackward<Half, float>(call, grad_out, grad_masks);
    case TFMASK_BF16:
      return DispatchBackward<BFloat16, float>(call, grad_out, grad_masks);
  }
  return cudaErrorInvalidValue;
}
