// The gradient of the features on a GPU: a block owns a tile of a map and a warp a patch
// of its cells, and adds the bins that read them in registers.
//
// Adding bins into the maps by atomics moves every pair of a bin and a cell: 493,000
// pairs of 1 KiB for 1000 boxes of 7x7 bins and 256 channels on the levels of an 800x1333
// image, beside 51 MB of bins, and 91 MB of maps that have to be zeroed first. Merging
// the bins of a box before they are added would leave 275,000. A tile of 4x8 cells reads
// each bin 2.1 times on average, 108 MB, from the second-level cache, writes every cell
// once in its own type, and adds in the order of the boxes: the same bits in every run.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_TILE_GPU_CUH_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_TILE_GPU_CUH_

#include "walk_gpu.cuh"

namespace tfmask {
namespace gpu {

constexpr int kScan = 2048;          // boxes that a block looks through at once
constexpr int kNear = kThreads / 2;  // boxes near the tile that it holds
constexpr int kSlots = kWarp / 2;    // bins of an axis that a warp weighs at once
constexpr int kFewSamples = 4;       // per bin: quicker to weigh all than to find some

static_assert(kScan / kThreads <= 32, "A thread keeps what it has seen in 32 bits");

// A warp's patch of rows x columns cells, how many bins' gradients it loads together, and
// how many blocks a multiprocessor is to hold. The warps of a block are 2 x 4.
template <int rows, int columns, int at_once, int blocks>
struct Patch {
  static constexpr int kRows = rows, kColumns = columns;
  static constexpr int kAtOnce = at_once, kBlocks = blocks;
  static constexpr int kCells = kRows * kColumns;
  static constexpr int kSide = kRows > kColumns ? kRows : kColumns;
  static constexpr int kWarpColumns = 4;
  static constexpr int kTileRows = kWarps / kWarpColumns * kRows;
  static constexpr int kTileColumns = kWarpColumns * kColumns;
};

// Where a block's tile lies.
struct Tile {
  int level, image;
  int top, left;
  float scale;  // cells per pixel
};

__host__ __device__ inline int64_t TilesOf(const TfmaskRoiParams& p, int level, int rows,
                                           int columns) {
  return static_cast<int64_t>((p.heights[level] + rows - 1) / rows) *
         ((p.widths[level] + columns - 1) / columns);
}

// Tile `index` of all maps. The coarse maps come first: their tiles meet most boxes.
template <typename P>
__device__ Tile TileAt(const TfmaskRoiParams& p, unsigned index) {
  int level = p.num_levels - 1;
  unsigned tiles = 0;
  for (; level >= 0; --level) {
    tiles = TilesOf(p, level, P::kTileRows, P::kTileColumns);
    if (index < tiles * p.batch) break;
    index -= tiles * p.batch;
  }
  const unsigned across = (p.widths[level] + P::kTileColumns - 1) / P::kTileColumns;
  const unsigned tile = index % tiles;
  return {level, static_cast<int>(index / tiles),
          static_cast<int>(tile / across) * P::kTileRows,
          static_cast<int>(tile % across) * P::kTileColumns, 1.0f / p.strides[level]};
}

// Whether samples between low and high (pixels) may touch the cells [first, first +
// count); true too often by a cell or two, never too seldom.
__device__ inline bool MayTouch(float low, float high, float scale, float shift,
                                float least, int first, int count) {
  const float start = low * scale - shift;
  const float end = start + fmaxf((high - low) * scale, least);
  return end + 2.0f >= first && start - 2.0f <= first + count;
}

template <typename P, typename T>
__device__ bool MayTouch(const TfmaskRoiParams& p, const Rois<T>& rois, int64_t m,
                         const Tile& tile) {
  if (rois.batch_indices[m] != tile.image) return false;
  if (LevelOf(p, rois, m) != tile.level) return false;
  const Corners box = CornersOf(p, rois.At(m));
  const float shift = p.aligned ? 0.5f : 0.0f, least = p.aligned ? 0.0f : 1.0f;
  return MayTouch(box.y1, box.y2, tile.scale, shift, least, tile.top, P::kTileRows) &&
         MayTouch(box.x1, box.x2, tile.scale, shift, least, tile.left, P::kTileColumns);
}

// One axis of a box near the tile.
struct NearAxis {
  Frame frame;
  Range bins;  // that may touch the tile

  // Whether a sample may touch the cells [first, first + count).
  __device__ bool Touches(int first, int count) const {
    return Length(bins) > 0 && PlaceOf(frame, 0) <= first + count &&
           PlaceOf(frame, frame.count - 1) >= first - 1;
  }
  // The samples of a bin that may touch them.
  __device__ Range InBin(int bin, int first, int count) const {
    const Range all = {bin * frame.samples, (bin + 1) * frame.samples};
    if (frame.samples <= kFewSamples) return all;
    return Intersect(all, Between(frame, first - 1.0, first + count));
  }
};

struct Near {
  int64_t m;
  NearAxis y, x;
};

__device__ inline NearAxis NearAxisOf(const Frame& frame, int first, int count) {
  const Range samples = Between(frame, first - 1.0, first + count);
  if (Length(samples) == 0) return {frame, {0, 0}};
  return {frame,
          {samples.begin / frame.samples, (samples.end - 1) / frame.samples + 1}};
}

// What a warp is about to add: bins and their weights on the cells of its patch.
template <typename T, int kCells>
struct PatchTerms {
  int64_t bin[kWarp];  // of all boxes
  alignas(16) T weight[kWarp][kCells];
};

// Weights of a bin's samples on the cells [first, first + count) of an axis, summed.
// Returns whether there is any.
template <typename T, int kMost>
__device__ bool WeighBin(const NearAxis& axis, int bin, int first, int count, int extent,
                         T (&weights)[kMost]) {
  const Range samples = axis.InBin(bin, first, count);
#pragma unroll 1
  for (int k = samples.begin; k < samples.end; ++k) {
    const Reading<T> reading = ReadCells<T>(axis.frame, k, extent);
    if (reading.low < 0) continue;
#pragma unroll
    for (int i = 0; i < kMost; ++i) weights[i] += WeightOf(reading, first + i);
  }
  bool any = false;
#pragma unroll
  for (int i = 0; i < kMost; ++i) any |= i < count && weights[i] != T(0);
  return any;
}

// The same on both axes and through the box's mask.
template <typename T, int kRows, int kColumns>
__device__ void WeighBinByMask(const TfmaskRoiParams& p, const T* masks, const Near& box,
                               int h, int w, int row, int column, int height, int width,
                               T (&weights)[kRows * kColumns]) {
  const Range rows = box.y.InBin(h, row, kRows), columns = box.x.InBin(w, column, kColumns);
#pragma unroll 1
  for (int k = rows.begin; k < rows.end; ++k) {
    const Reading<T> y = ReadCells<T>(box.y.frame, k, height);
    if (y.low < 0 || y.high < row || y.low >= row + kRows) continue;
    const Reading<T> v = ReadMask<T>(box.y.frame, k, p.mask_height);
#pragma unroll 1
    for (int l = columns.begin; l < columns.end; ++l) {
      const Reading<T> x = ReadCells<T>(box.x.frame, l, width);
      if (x.low < 0 || x.high < column || x.low >= column + kColumns) continue;
      const Reading<T> u = ReadMask<T>(box.x.frame, l, p.mask_width);
      const T mask = MaskAt(masks, box.m, v, u, p.mask_height, p.mask_width);
#pragma unroll
      for (int i = 0; i < kRows * kColumns; ++i) {
        weights[i] += WeightOf(y, row + i / kColumns) * WeightOf(x, column + i % kColumns) *
                      mask;
      }
    }
  }
}

// The sums of a warp's patch, its lanes on channels.
template <typename F, typename T, int V, int G, typename P, bool kMasked>
class PatchGradient {
 public:
  static constexpr int kRows = P::kRows, kColumns = P::kColumns;
  static constexpr int kAtOnce = P::kAtOnce;
  using Terms = PatchTerms<T, P::kCells>;

  __device__ __forceinline__ PatchGradient(const TfmaskRoiParams& p, const T* masks, const F* grad_out,
                           const Tile& tile, Terms* terms)
      : p_(p),
        masks_(masks),
        grad_out_(grad_out),
        terms_(terms),
        lane_(blockIdx.y, p.channels),
        height_(p.heights[tile.level]),
        width_(p.widths[tile.level]) {
    const int warp = threadIdx.x / kWarp;
    row_ = tile.top + warp / P::kWarpColumns * kRows;
    column_ = tile.left + warp % P::kWarpColumns * kColumns;
  }

  __device__ __forceinline__ bool OnMap() const { return row_ < height_ && column_ < width_; }

  __device__ __forceinline__ bool Touches(const Near& box) const {
    return box.y.Touches(row_, kRows) && box.x.Touches(column_, kColumns);
  }

  // Lists the bins of a box that read the patch, or adds them when the list is full.
  __device__ __forceinline__ void Add(const Near& box) {
    for (int h = box.y.bins.begin; h < box.y.bins.end; h += kSlots) {
      for (int w = box.x.bins.begin; w < box.x.bins.end; w += kSlots) {
        AddBins(box, h, w);
      }
    }
  }

  // Adds what is listed, kAtOnce bins at a time so that their loads overlap.
  __device__ __forceinline__ void Flush() {
    const int lane = threadIdx.x % kWarp;
    __syncwarp();
    if (lane >= pending_ && pending_ > 0) {  // Bins that fill the last round add nothing.
      terms_->bin[lane] = terms_->bin[0];
#pragma unroll
      for (int i = 0; i < P::kCells; ++i) terms_->weight[lane][i] = T(0);
    }
    __syncwarp();
#pragma unroll 1
    for (int t = 0; t < pending_; t += kAtOnce) {
      T values[kAtOnce][G][V];
#pragma unroll
      for (int u = 0; u < kAtOnce; ++u) {
        const F* from = grad_out_ + terms_->bin[t + u] * p_.channels;
#pragma unroll
        for (int g = 0; g < G; ++g) {
          if (lane_.Has(g)) Load(from + lane_.Channel(g), values[u][g]);
        }
      }
#pragma unroll
      for (int u = 0; u < kAtOnce; ++u) {
#pragma unroll
        for (int i = 0; i < P::kCells; ++i) {
          const T weight = terms_->weight[t + u][i];
#pragma unroll
          for (int g = 0; g < G; ++g) {
#pragma unroll
            for (int v = 0; v < V; ++v) sum_[i][g][v] += weight * values[u][g][v];
          }
        }
      }
    }
    __syncwarp();
    pending_ = 0;
  }

  __device__ __forceinline__ void Write(F* map) const {
#pragma unroll
    for (int i = 0; i < P::kCells; ++i) {
      const int row = row_ + i / kColumns, column = column_ + i % kColumns;
      if (row >= height_ || column >= width_) continue;
      F* to = map + (static_cast<int64_t>(row) * width_ + column) * p_.channels;
#pragma unroll
      for (int g = 0; g < G; ++g) {
        if (lane_.Has(g)) Store(sum_[i][g], to + lane_.Channel(g));
      }
    }
  }

 private:
  // Of the bins from h and w on, kSlots on each axis: half of the lanes weigh those of
  // the y axis and half those of the x axis, and then each lane a pair of them.
  __device__ __forceinline__ void AddBins(const Near& box, int h, int w) {
    const int lane = threadIdx.x % kWarp;
    const bool is_y = lane < kSlots;
    const NearAxis& axis = is_y ? box.y : box.x;
    const int bin = (is_y ? h : w) + lane % kSlots;
    T axis_weights[P::kSide] = {};
    const bool reads =
        bin < axis.bins.end &&
        WeighBin(axis, bin, is_y ? row_ : column_, is_y ? kRows : kColumns,
                 is_y ? height_ : width_, axis_weights);
    const unsigned readers = __ballot_sync(kAllLanes, reads);
    const unsigned rows = readers & ((1u << kSlots) - 1), columns = readers >> kSlots;
    if (rows == 0 || columns == 0) return;
    // Neighbours, since their samples lie in an interval.
    const int top = __ffs(rows) - 1, left = __ffs(columns) - 1;
    const int down = kWarp - __clz(rows) - top, across = kWarp - __clz(columns) - left;
    for (int base = 0; base < down * across; base += kWarp) {
      const int count = min(kWarp, down * across - base);
      if (pending_ + count > kWarp) Flush();
      const int i = top + (base + lane) / across, j = left + (base + lane) % across;
      T weights[P::kCells] = {};
      if constexpr (!kMasked) {
        T y[kRows], x[kColumns];
#pragma unroll
        for (int r = 0; r < kRows; ++r) y[r] = __shfl_sync(kAllLanes, axis_weights[r], i);
#pragma unroll
        for (int c = 0; c < kColumns; ++c) {
          x[c] = __shfl_sync(kAllLanes, axis_weights[c], kSlots + j);
        }
#pragma unroll
        for (int n = 0; n < P::kCells; ++n) weights[n] = y[n / kColumns] * x[n % kColumns];
      } else if (lane < count) {
        WeighBinByMask<T, kRows, kColumns>(p_, masks_, box, h + i, w + j, row_, column_,
                                           height_, width_, weights);
      }
      if (lane < count) {
        const T scale = T(1) / (T(box.y.frame.samples) * box.x.frame.samples);
        terms_->bin[pending_ + lane] = (box.m * p_.size + h + i) * p_.size + w + j;
#pragma unroll
        for (int n = 0; n < P::kCells; ++n) {
          terms_->weight[pending_ + lane][n] = weights[n] * scale;
        }
      }
      pending_ += count;
    }
  }

  const TfmaskRoiParams& p_;
  const T* masks_;
  const F* grad_out_;
  Terms* terms_;
  const Lane<V, G> lane_;
  const int height_, width_;
  int row_, column_;  // of the patch
  int pending_ = 0;
  T sum_[P::kCells][G][V] = {};
};

// Grid (tiles of all maps, channels).
template <typename F, typename T, int V, int G, typename P, bool kMasked>
__global__ void __launch_bounds__(kThreads, P::kBlocks)
    BackwardFeatures(const __grid_constant__ TfmaskRoiParams p, const Rois<T> rois,
                     const F* grad_out) {
  __shared__ uint16_t seen[kScan];  // boxes near the tile, in order
  __shared__ Near near[kNear];
  __shared__ int counts[kWarps];
  __shared__ PatchTerms<T, P::kCells> terms[kWarps];
  const int warp = threadIdx.x / kWarp, lane = threadIdx.x % kWarp;
  const Tile tile = TileAt<P>(p, blockIdx.x);
  PatchGradient<F, T, V, G, P, kMasked> gradient(p, rois.masks, grad_out, tile,
                                                 terms + warp);
  for (int64_t base = 0; base < p.num_rois; base += kScan) {
    // A warp looks through neighbouring boxes, so that the warps' lists follow one
    // another in the order of the boxes.
    const int scanned = min(static_cast<int64_t>(kScan), p.num_rois - base);
    const int rounds = (scanned + kThreads - 1) / kThreads;
    const int first = warp * rounds * kWarp + lane;
    unsigned hits = 0;
    int count = 0;
#pragma unroll 2
    for (int r = 0; r < rounds; ++r) {
      const int i = first + r * kWarp;
      const bool hit = i < scanned && MayTouch<P>(p, rois, base + i, tile);
      hits |= static_cast<unsigned>(hit) << r;
      count += __popc(__ballot_sync(kAllLanes, hit));
    }
    if (lane == 0) counts[warp] = count;
    __syncthreads();
    int total = 0, next = 0;
    for (int w = 0; w < kWarps; ++w) {
      if (w < warp) next += counts[w];
      total += counts[w];
    }
    for (int r = 0; r < rounds; ++r) {
      const bool hit = hits >> r & 1;
      const unsigned all = __ballot_sync(kAllLanes, hit);
      if (hit) seen[next + __popc(all & ((1u << lane) - 1))] = first + r * kWarp;
      next += __popc(all);
    }
    __syncthreads();
    for (int start = 0; start < total; start += kNear) {
      const int boxes = min(kNear, total - start);
      // A thread for each axis of a box.
      if (threadIdx.x < 2 * boxes) {
        const bool is_y = threadIdx.x < boxes;
        Near& box = near[is_y ? threadIdx.x : threadIdx.x - boxes];
        const int64_t m = base + seen[start + (&box - near)];
        const Frame frame =
            BoxFrame(p, CornersOf(p, rois.At(m)), is_y, p.strides[tile.level]);
        if (is_y) {
          box.m = m;
          box.y = NearAxisOf(frame, tile.top, P::kTileRows);
        } else {
          box.x = NearAxisOf(frame, tile.left, P::kTileColumns);
        }
      }
      __syncthreads();
      for (int b = 0; b < boxes && gradient.OnMap(); b += kWarp) {
        const bool touches = b + lane < boxes && gradient.Touches(near[b + lane]);
        unsigned rest = __ballot_sync(kAllLanes, touches);
        for (; rest != 0; rest &= rest - 1) gradient.Add(near[b + __ffs(rest) - 1]);
      }
      __syncthreads();  // The boxes are no longer read.
    }
  }
  gradient.Flush();
  gradient.Write(
      MapOf(p, static_cast<F*>(p.grad_features[tile.level]), tile.level, tile.image));
}

}  // namespace gpu
}  // namespace tfmask

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_TILE_GPU_CUH_
