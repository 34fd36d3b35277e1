// Where the samples of a box lie on a feature map and in its mask, on the GPU.
//
// Places are computed in double, and rounded operation by operation as in the CPU kernel
// (no fused multiply-add): a sample within a rounding error of the map's border must be
// inside for both or outside for both.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_SAMPLING_GPU_CUH_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_SAMPLING_GPU_CUH_

#include <cfloat>

#include "kernel_gpu.h"

namespace tfmask {
namespace gpu {

// Indices [begin, end), empty where end <= begin.
struct Range {
  int begin, end;
};

__device__ inline int Length(Range range) {
  return range.end > range.begin ? range.end - range.begin : 0;
}

__device__ inline Range Intersect(Range a, Range b) {
  return {a.begin > b.begin ? a.begin : b.begin, a.end < b.end ? a.end : b.end};
}

// Sample k of an axis lies at start + (k + 1/2) * step, in cells.
struct Frame {
  double start, step;
  int samples;  // a bin
  int count;    // a box
};

__device__ inline double PlaceOf(const Frame& frame, int k) {
  return __dadd_rn(frame.start, __dmul_rn(k + 0.5, frame.step));
}

// One axis of a box: low and high are its edges in pixels.
__device__ inline Frame FrameOf(const TfmaskRoiParams& p, float low, float high,
                                float stride) {
  const float shift = p.aligned ? 0.5f : 0.0f;
  const float start = low / stride - shift;
  const float side = fmaxf(high / stride - shift - start, p.aligned ? 0.0f : 1.0f);
  Frame frame;
  frame.samples = p.sampling_ratio;
  if (p.sampling_ratio == 0) {
    const float bin_side = side / static_cast<float>(p.size);
    frame.samples = static_cast<int>(ceilf(fminf(fmaxf(bin_side, 1.0f), 4096.0f)));
  }
  frame.count = p.size * frame.samples;
  frame.start = start;
  frame.step = static_cast<double>(side) / frame.count;
  return frame;
}

// What pooling reads of a box, in pixels. A box that is not finite is empty and at the
// origin.
struct Corners {
  float x1, y1, x2, y2;
};

__device__ inline float Clipped(float value) {
  return fminf(fmaxf(value, -1e6f), 1e6f);
}

__device__ inline Corners CornersOf(const TfmaskRoiParams& p, const float* box) {
  bool finite = true;
  for (int i = 0; i < 4; ++i) finite &= fabsf(box[i]) <= FLT_MAX;
  if (!finite) return {0.0f, 0.0f, 0.0f, 0.0f};
  const float less = p.inclusive ? 1.0f : 0.0f;
  return {Clipped(box[0]), Clipped(box[1]), Clipped(box[2] - less),
          Clipped(box[3] - less)};
}

// The y axis of a box, or the x axis.
__device__ inline Frame BoxFrame(const TfmaskRoiParams& p, const Corners& box, bool y,
                                 float stride) {
  return y ? FrameOf(p, box.y1, box.y2, stride) : FrameOf(p, box.x1, box.x2, stride);
}

// The same samples in the frame of the mask: corrected Eq. 5, see
// tfmask/ops/shape_aware_roi_align.py.
__device__ inline Frame MaskFrame(const Frame& frame, int extent) {
  return {-0.5, static_cast<double>(extent) / frame.count, frame.samples, frame.count};
}

// The samples with low <= place <= high. It may hold one more on each side, which the
// rounding of the two divisions could have cost.
__device__ inline Range Between(const Frame& frame, double low, double high) {
  if (!(frame.step > 0)) {
    const bool within = low <= frame.start && frame.start <= high;
    return {0, within ? frame.count : 0};
  }
  const double first = ceil((low - frame.start) / frame.step - 0.5) - 1;
  const double last = floor((high - frame.start) / frame.step - 0.5) + 1;
  const double count = frame.count;
  return {static_cast<int>(fmin(fmax(first, 0.0), count)),
          static_cast<int>(fmin(fmax(last + 1, 0.0), count))};
}

// Linear interpolation between two neighbours, the same one at a border.
template <typename T>
struct Reading {
  int low, high;  // low < 0: outside, reads zero
  T low_weight, high_weight;
};

template <typename T>
__device__ Reading<T> ReadAt(double place, int extent) {
  place = fmin(fmax(place, 0.0), static_cast<double>(extent - 1));
  const int low = static_cast<int>(place);
  const T weight = static_cast<T>(place - low);
  return {low, low + 1 < extent ? low + 1 : low, T(1) - weight, weight};
}

// Reads the border cell up to one cell beside the map, and zero beyond.
template <typename T>
__device__ Reading<T> ReadCells(const Frame& frame, int k, int extent) {
  const double place = PlaceOf(frame, k);
  if (!(place >= -1.0 && place <= extent)) return {-1, -1, T(0), T(0)};
  return ReadAt<T>(place, extent);
}

// Rounded as on the CPU, where the fraction of the box comes first.
template <typename T>
__device__ Reading<T> ReadMask(const Frame& frame, int k, int extent) {
  const double fraction = (k + 0.5) / frame.count;
  return ReadAt<T>(__dadd_rn(__dmul_rn(fraction, extent), -0.5), extent);
}

template <typename T>
__device__ bool Touches(const Reading<T>& reading, int cell) {
  return reading.low >= 0 && (reading.low == cell || reading.high == cell);
}

template <typename T>
__device__ T WeightOf(const Reading<T>& reading, int cell) {
  return (reading.low == cell ? reading.low_weight : T(0)) +
         (reading.high == cell ? reading.high_weight : T(0));
}

// Samples of an axis that are read again and again are kept in shared memory.
constexpr int kTable = 64;

template <typename T>
struct Axis {
  Frame frame;
  int extent, mask_extent;
  Range inside;  // samples on the map
  Reading<T> cells[kTable], mask[kTable];

  __device__ Reading<T> Cells(int k) const {
    return k < kTable ? cells[k] : ReadCells<T>(frame, k, extent);
  }
  __device__ Reading<T> Mask(int k) const {
    return k < kTable ? mask[k] : ReadMask<T>(frame, k, mask_extent);
  }
  // The samples of a bin that are on the map.
  __device__ Range InBin(int bin) const {
    return Intersect({bin * frame.samples, (bin + 1) * frame.samples}, inside);
  }
};

// One box, in shared memory.
template <typename T>
struct Box {
  bool valid;  // false: an index is out of range or the map has no cell
  int level, image;
  Axis<T> y, x;

  // One over the number of samples of a bin.
  __device__ T Scale() const { return T(1) / (T(y.frame.samples) * x.frame.samples); }
};

template <typename T>
struct Rois {
  const float* boxes;
  const int32_t* batch_indices;
  const int32_t* levels;  // null: by area
  const T* masks;         // null: RoIAlign

  __device__ const float* At(int64_t m) const { return boxes + 4 * m; }
};

// The level of box m, in range or not.
template <typename T>
__device__ int LevelOf(const TfmaskRoiParams& p, const Rois<T>& rois, int64_t m) {
  if (rois.levels != nullptr) return rois.levels[m];
  const float* box = rois.At(m);
  const float area = fmaxf(box[2] - box[0], 0.0f) * fmaxf(box[3] - box[1], 0.0f);
  int level = 0;
  for (int l = 0; l + 1 < p.num_levels; ++l) level += area >= p.level_areas[l];
  return level;
}

// Called by all threads of a block, of which there are at least 2 * kTable.
template <typename T>
__device__ void LoadBox(const TfmaskRoiParams& p, const Rois<T>& rois, int m,
                        Box<T>* box) {
  const int level = LevelOf(p, rois, m), image = rois.batch_indices[m];
  bool valid = level >= 0 && level < p.num_levels && image >= 0 && image < p.batch;
  valid = valid && p.heights[level] > 0 && p.widths[level] > 0;
  if (threadIdx.x == 0) {
    box->valid = valid;
    box->level = level;
    box->image = image;
  }
  if (valid && threadIdx.x < 2 * kTable) {
    const bool is_y = threadIdx.x < kTable;
    const int k = threadIdx.x % kTable;
    const int extent = is_y ? p.heights[level] : p.widths[level];
    const int mask_extent = is_y ? p.mask_height : p.mask_width;
    const Frame frame =
        BoxFrame(p, CornersOf(p, rois.At(m)), is_y, p.strides[level]);
    Axis<T>& axis = is_y ? box->y : box->x;
    if (k == 0) {
      axis.frame = frame;
      axis.extent = extent;
      axis.mask_extent = mask_extent;
      axis.inside = Between(frame, -1.0, extent);
    }
    if (k < frame.count) {
      axis.cells[k] = ReadCells<T>(frame, k, extent);
      if (rois.masks != nullptr) axis.mask[k] = ReadMask<T>(frame, k, mask_extent);
    }
  }
  __syncthreads();
}

// The mask of roi m at a sample.
template <typename T>
__device__ T MaskAt(const T* masks, int64_t m, const Reading<T>& v, const Reading<T>& u,
                    int height, int width) {
  const T* mask = masks + m * height * width;
  const T* low = mask + static_cast<int64_t>(v.low) * width;
  const T* high = mask + static_cast<int64_t>(v.high) * width;
  return v.low_weight * (u.low_weight * low[u.low] + u.high_weight * low[u.high]) +
         v.high_weight * (u.low_weight * high[u.low] + u.high_weight * high[u.high]);
}

}  // namespace gpu
}  // namespace tfmask

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_SAMPLING_GPU_CUH_
