// The pooling on a GPU: a warp owns bins.
//
// A sample of a bin reads four cells, a bin of 2x2 samples 16, of which about nine are
// distinct. A warp computes the 16 places and weights in 16 lanes at once, merges equal
// cells, and then walks the distinct cells with its lanes on neighbouring channels.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_WALK_GPU_CUH_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_WALK_GPU_CUH_

#include "sampling_gpu.cuh"
#include "vector_gpu.cuh"

namespace tfmask {
namespace gpu {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kChunk = kWarp / 4;  // samples whose four cells the lanes of a warp hold
constexpr int kBinsPerBlock = 4 * kWarps;

static_assert(kThreads >= 2 * kTable, "LoadBox wants a thread for each table entry");

// The channels of a lane: G vectors of V, those of a warp side by side.
template <int V, int G>
struct Lane {
  int first, channels;

  __device__ Lane(int block, int channels)
      : first((block * G * kWarp + threadIdx.x % kWarp) * V), channels(channels) {}
  __device__ int Channel(int group) const { return first + group * kWarp * V; }
  __device__ bool Has(int group) const { return Channel(group) < channels; }
};

template <int V, int G>
__host__ __device__ int ChannelBlocks(int channels) {
  return (channels + G * kWarp * V - 1) / (G * kWarp * V);
}

// The first value of an image's map.
template <typename F>
__device__ F* MapOf(const TfmaskRoiParams& p, F* features, int level, int image) {
  return features +
         static_cast<int64_t>(image) * p.heights[level] * p.widths[level] * p.channels;
}

// One of the four cells that a sample reads.
template <typename T>
struct Tap {
  bool active;  // the sample is on the map
  int cell, row, column;
  T weight;  // of the interpolation
};

// Lane 4 s + c of a warp gets cell c of sample first + s of rows x columns.
template <typename T>
__device__ Tap<T> TapOf(const Box<T>& box, Range rows, Range columns, int first) {
  const int lane = threadIdx.x % kWarp;
  const int sample = first + lane / 4;
  const bool low_row = (lane & 2) == 0, low_column = (lane & 1) == 0;
  Tap<T> tap = {false, 0, 0, 0, T(0)};
  if (sample >= Length(rows) * Length(columns)) return tap;
  tap.row = rows.begin + sample / Length(columns);
  tap.column = columns.begin + sample % Length(columns);
  const Reading<T> y = box.y.Cells(tap.row), x = box.x.Cells(tap.column);
  if (y.low < 0 || x.low < 0) return tap;
  tap.active = true;
  tap.cell = (low_row ? y.low : y.high) * box.x.extent + (low_column ? x.low : x.high);
  tap.weight = (low_row ? y.low_weight : y.high_weight) *
               (low_column ? x.low_weight : x.high_weight);
  return tap;
}

// Calls use(cell, weight) in all lanes of a warp for the cells that bin reads; a cell
// comes once for every kChunk samples.
template <typename T, typename Use>
__device__ void WalkBin(const TfmaskRoiParams& p, const T* masks, int m,
                        const Box<T>& box, int bin, Terms<T>* terms, Use use) {
  const Range rows = box.y.InBin(bin / p.size), columns = box.x.InBin(bin % p.size);
  const int samples = Length(rows) * Length(columns);
  for (int first = 0; first < samples; first += kChunk) {
    const Tap<T> tap = TapOf(box, rows, columns, first);
    T weight = tap.weight * box.Scale();
    if (masks != nullptr && tap.active) {
      weight *= MaskAt(masks, m, box.y.Mask(tap.row), box.x.Mask(tap.column),
                       p.mask_height, p.mask_width);
    }
    int index;
    const int count = Merge(tap.active, tap.cell, weight, terms, &index);
#pragma unroll 4
    for (int t = 0; t < count; ++t) use(terms->key[t], terms->weight[t]);
  }
}

// Which bins and channels a block has: grid (rois, parts of the bins x channel blocks).
template <int V, int G>
struct Part {
  int64_t m;
  int channel_block, first_bin, bin_step;

  __device__ explicit Part(int channels) : m(blockIdx.x) {
    const int channel_blocks = ChannelBlocks<V, G>(channels);
    channel_block = blockIdx.y % channel_blocks;
    first_bin = blockIdx.y / channel_blocks * kWarps + threadIdx.x / kWarp;
    bin_step = gridDim.y / channel_blocks * kWarps;
  }
};

template <typename F, typename T, int V, int G>
__global__ void __launch_bounds__(kThreads)
    Forward(const __grid_constant__ TfmaskRoiParams p, const Rois<T> rois, F* out) {
  __shared__ Box<T> box;
  __shared__ Terms<T> terms[kWarps];
  const Part<V, G> part(p.channels);
  const Lane<V, G> lane(part.channel_block, p.channels);
  LoadBox(p, rois, part.m, &box);
  const F* map = nullptr;
  if (box.valid) {
    map = MapOf(p, static_cast<const F*>(p.features[box.level]), box.level, box.image);
  }
  const int bins = p.size * p.size;
  for (int bin = part.first_bin; bin < bins; bin += part.bin_step) {
    T sum[G][V] = {};
    if (box.valid) {
      WalkBin(p, rois.masks, part.m, box, bin, terms + threadIdx.x / kWarp,
              [&](int cell, T weight) {
                const F* at = map + static_cast<int64_t>(cell) * p.channels;
#pragma unroll
                for (int g = 0; g < G; ++g) {
                  if (!lane.Has(g)) continue;
                  T values[V];
                  Load(at + lane.Channel(g), values);
#pragma unroll
                  for (int i = 0; i < V; ++i) sum[g][i] += weight * values[i];
                }
              });
    }
    F* to = out + (part.m * bins + bin) * p.channels;
#pragma unroll
    for (int g = 0; g < G; ++g) {
      if (lane.Has(g)) Store(sum[g], to + lane.Channel(g));
    }
  }
}

}  // namespace gpu
}  // namespace tfmask

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_WALK_GPU_CUH_
