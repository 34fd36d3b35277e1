// The gradient of the masks on a GPU: a block owns mask rows of a box.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_MASKS_GPU_CUH_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_MASKS_GPU_CUH_

#include "walk_gpu.cuh"

namespace tfmask {
namespace gpu {

constexpr int kTile = 1024;  // samples whose mask gradients a block holds

// The gradients of a bin's samples inside tile_rows x tile_columns, one warp per bin.
template <typename F, typename T, int V, int G>
__device__ void FillTile(const TfmaskRoiParams& p, const Box<T>& box, const F* map,
                         const F* grad_out, Range tile_rows, Range tile_columns,
                         Terms<T>* terms, T* tile) {
  const int top = tile_rows.begin / box.y.frame.samples;
  const int left = tile_columns.begin / box.x.frame.samples;
  const int down = (tile_rows.end - 1) / box.y.frame.samples - top + 1;
  const int across = (tile_columns.end - 1) / box.x.frame.samples - left + 1;
  const int lane = threadIdx.x % kWarp;
  for (int i = threadIdx.x / kWarp; i < down * across; i += kWarps) {
    const int h = top + i / across, w = left + i % across;
    const F* from = grad_out + static_cast<int64_t>(h * p.size + w) * p.channels;
    const Range rows = Intersect(box.y.InBin(h), tile_rows);
    const Range columns = Intersect(box.x.InBin(w), tile_columns);
    const int samples = Length(rows) * Length(columns);
    for (int first = 0; first < samples; first += kChunk) {
      const Tap<T> tap = TapOf(box, rows, columns, first);
      int index;
      const int count = Merge(tap.active, tap.cell, T(0), terms, &index);
      T dot = 0;  // <grad_out, feature> of the cell that is term `lane`
      for (int block = 0; block < ChannelBlocks<V, G>(p.channels); ++block) {
        const Lane<V, G> channels(block, p.channels);
        T grad[G][V];
#pragma unroll
        for (int g = 0; g < G; ++g) {
          if (channels.Has(g)) Load(from + channels.Channel(g), grad[g]);
        }
#pragma unroll 4
        for (int t = 0; t < count; ++t) {
          const F* at = map + static_cast<int64_t>(terms->key[t]) * p.channels;
          T product = 0;
#pragma unroll
          for (int g = 0; g < G; ++g) {
            if (!channels.Has(g)) continue;
            T values[V];
            Load(at + channels.Channel(g), values);
#pragma unroll
            for (int v = 0; v < V; ++v) product += grad[g][v] * values[v];
          }
          product = WarpSum(product);
          if (lane == t) dot += product;
        }
      }
      dot = __shfl_sync(kAllLanes, dot, tap.active ? index : 0);
      T value = tap.active ? dot * tap.weight * box.Scale() : T(0);
      value += __shfl_xor_sync(kAllLanes, value, 1);
      value += __shfl_xor_sync(kAllLanes, value, 2);
      if (lane % 4 == 0 && first + lane / 4 < samples) {
        tile[(tap.row - tile_rows.begin) * Length(tile_columns) + tap.column -
             tile_columns.begin] = value;
      }
    }
  }
}

// Grid (rois, bands of mask rows): a block owns the rows of its band, so that each mask
// cell adds its samples in order.
template <typename F, typename T, int V, int G>
__global__ void __launch_bounds__(kThreads)
    BackwardMasks(const __grid_constant__ TfmaskRoiParams p, const Rois<T> rois,
                  const F* grad_out, T* grad_masks) {
  __shared__ Box<T> box;
  __shared__ Terms<T> terms[kWarps];
  __shared__ T tile[kTile];
  const int64_t m = blockIdx.x;
  const int width = p.mask_width;
  const int top = static_cast<int64_t>(p.mask_height) * blockIdx.y / gridDim.y;
  const int bottom = static_cast<int64_t>(p.mask_height) * (blockIdx.y + 1) / gridDim.y;
  T* grad = grad_masks + m * p.mask_height * width;
  LoadBox(p, rois, m, &box);
  for (int i = top * width + threadIdx.x; i < bottom * width; i += kThreads) grad[i] = 0;
  if (!box.valid) return;
  const F* map =
      MapOf(p, static_cast<const F*>(p.features[box.level]), box.level, box.image);
  const F* from = grad_out + m * p.size * p.size * p.channels;
  const Frame down = MaskFrame(box.y.frame, p.mask_height);
  const Frame across = MaskFrame(box.x.frame, width);
  const Range rows = Intersect(box.y.inside, Between(down, top - 1.0, bottom));
  const Range columns = box.x.inside;
  if (Length(rows) == 0 || Length(columns) == 0) return;
  const int columns_step = Length(columns) < kTile ? Length(columns) : kTile;
  const int rows_step = kTile / columns_step;
  for (int r = rows.begin; r < rows.end; r += rows_step) {
    for (int c = columns.begin; c < columns.end; c += columns_step) {
      const Range tile_rows = Intersect({r, r + rows_step}, rows);
      const Range tile_columns = Intersect({c, c + columns_step}, columns);
      __syncthreads();  // The tile before is no longer read, grad is written.
      FillTile<F, T, V, G>(p, box, map, from, tile_rows, tile_columns,
                        terms + threadIdx.x / kWarp, tile);
      __syncthreads();
      for (int i = top * width + threadIdx.x; i < bottom * width; i += kThreads) {
        const int y = i / width, x = i % width;
        const Range near_rows = Intersect(Between(down, y - 1.0, y + 1.0), tile_rows);
        const Range near_columns =
            Intersect(Between(across, x - 1.0, x + 1.0), tile_columns);
        T sum = 0;
        for (int k = near_rows.begin; k < near_rows.end; ++k) {
          const Reading<T> v = box.y.Mask(k);
          if (!Touches(v, y)) continue;
          for (int l = near_columns.begin; l < near_columns.end; ++l) {
            const Reading<T> u = box.x.Mask(l);
            if (!Touches(u, x)) continue;
            sum += WeightOf(v, y) * WeightOf(u, x) *
                   tile[(k - tile_rows.begin) * Length(tile_columns) + l -
                        tile_columns.begin];
          }
        }
        grad[i] += sum;
      }
    }
  }
}

}  // namespace gpu
}  // namespace tfmask

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_MASKS_GPU_CUH_
