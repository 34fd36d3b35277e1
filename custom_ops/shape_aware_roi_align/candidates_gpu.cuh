// Ways to compute the gradient of the features that custom_ops/harness/candidates.py
// times beside the one in use. Included by kernel_gpu.cu with -DTFMASK_CANDIDATES.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_CANDIDATES_GPU_CUH_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_CANDIDATES_GPU_CUH_

namespace tfmask {
namespace gpu {
namespace {

__device__ inline void AtomicAdd(float weight, const float (&values)[4], float* to) {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  // One 16-byte reduction in the second-level cache instead of four.
  atomicAdd(reinterpret_cast<float4*>(to),
            make_float4(weight * values[0], weight * values[1], weight * values[2],
                        weight * values[3]));
#else
#pragma unroll
  for (int i = 0; i < 4; ++i) atomicAdd(to + i, weight * values[i]);
#endif
}

// By atomic additions into zeroed maps, a warp per bin.
__global__ void __launch_bounds__(kThreads)
    ScatterFeatures(const __grid_constant__ TfmaskRoiParams p, const Rois<float> rois,
                    const float* grad_out) {
  __shared__ Box<float> box;
  __shared__ Terms<float> terms[kWarps];
  const Part<4, 2> part(p.channels);
  const Lane<4, 2> lane(part.channel_block, p.channels);
  LoadBox(p, rois, part.m, &box);
  if (!box.valid) return;
  float* map =
      MapOf(p, static_cast<float*>(p.grad_features[box.level]), box.level, box.image);
  const int bins = p.size * p.size;
  for (int bin = part.first_bin; bin < bins; bin += part.bin_step) {
    const float* from = grad_out + (part.m * bins + bin) * p.channels;
    float grad[2][4];
    for (int g = 0; g < 2; ++g) {
      if (lane.Has(g)) Load(from + lane.Channel(g), grad[g]);
    }
    WalkBin(p, rois.masks, part.m, box, bin, terms + threadIdx.x / kWarp,
            [&](int cell, float weight) {
              float* at = map + static_cast<int64_t>(cell) * p.channels;
#pragma unroll
              for (int g = 0; g < 2; ++g) {
                if (lane.Has(g)) AtomicAdd(weight, grad[g], at + lane.Channel(g));
              }
            });
  }
}

cudaError_t RunAtomics(const Call& call, const float* grad_out) {
  const TfmaskRoiParams& p = call.p;
  for (int l = 0; l < p.num_levels; ++l) {
    const size_t count = size_t{1} * p.heights[l] * p.widths[l] * p.batch * p.channels;
    if (count == 0) continue;
    const cudaError_t error =
        cudaMemsetAsync(p.grad_features[l], 0, count * sizeof(float), call.stream);
    if (error != cudaSuccess) return error;
  }
  if (p.num_rois == 0) return cudaSuccess;
  const int64_t bins = int64_t{p.size} * p.size;
  const int64_t channel_blocks = ChannelBlocks<4, 2>(p.channels);
  const int64_t parts = (bins + kBinsPerBlock - 1) / kBinsPerBlock;
  const dim3 grid(p.num_rois,
                  channel_blocks * std::min(parts, kMaxGrid / channel_blocks));
  return Launch(ScatterFeatures, grid, call.stream, p, call.RoisOf<float>(), grad_out);
}

// kWide: a block has 256 channels, else 128.
template <bool kWide, typename P>
cudaError_t RunTiles(const Call& call, int dtype, const void* grad_out) {
  constexpr int G = kWide ? 2 : 1, V = kWide ? 8 : 4;
  if (dtype == TFMASK_F32) {
    return RunBackwardFeatures<float, float, 4, G, P>(
        call, static_cast<const float*>(grad_out));
  }
  return RunBackwardFeatures<BFloat16, float, V, 1, P>(
      call, static_cast<const BFloat16*>(grad_out));
}

}  // namespace
}  // namespace gpu
}  // namespace tfmask

// Candidate `index` for float or bfloat16 features of a multiple of eight channels, or
// cudaErrorInvalidValue; *name says what it is, null after the last.
extern "C" int tfmask_shape_aware_roi_align_candidate(
    int index, const char** name, const TfmaskRoiParams* p, int dtype,
    const float* boxes, const int32_t* batch_indices, const int32_t* levels,
    const void* masks, const void* grad_out, cudaStream_t stream) {
  using namespace tfmask::gpu;
  const Call call = {*p, boxes, batch_indices, levels, masks, stream};
#define TFMASK_TILES(NAME, WIDE, ...) \
  *name = NAME;                       \
  return p == nullptr ? 0 : RunTiles<WIDE, Patch<__VA_ARGS__>>(call, dtype, grad_out)
  switch (index) {
    case 0:
      *name = "atomics";
      if (p == nullptr) return 0;
      if (dtype != TFMASK_F32) return cudaErrorInvalidValue;
      return RunAtomics(call, static_cast<const float*>(grad_out));
    // Cells of a warp, channels of a block, bins loaded together, blocks held.
    case 1: TFMASK_TILES("2x2 cells, 256 channels, 4 bins, 2 blocks", true, 2, 2, 4, 2);
    case 2: TFMASK_TILES("2x2 cells, 256 channels, 2 bins, 2 blocks", true, 2, 2, 2, 2);
    case 3: TFMASK_TILES("2x2 cells, 256 channels, 8 bins, 1 block", true, 2, 2, 8, 1);
    case 4: TFMASK_TILES("2x2 cells, 128 channels, 4 bins, 3 blocks", false, 2, 2, 4, 3);
    case 5: TFMASK_TILES("2x2 cells, 256 channels, 2 bins, 3 blocks", true, 2, 2, 2, 3);
    case 6: TFMASK_TILES("2x4 cells, 128 channels, 4 bins, 2 blocks", false, 2, 4, 4, 2);
    case 7: TFMASK_TILES("4x2 cells, 128 channels, 4 bins, 2 blocks", false, 4, 2, 4, 2);
    case 8: TFMASK_TILES("1x2 cells, 256 channels, 2 bins, 3 blocks", true, 1, 2, 2, 3);
    case 9: TFMASK_TILES("4x4 cells, 128 channels, 2 bins, 2 blocks", false, 4, 4, 2, 2);
  }
#undef TFMASK_TILES
  *name = nullptr;
  return cudaErrorInvalidValue;
}

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_CANDIDATES_GPU_CUH_
