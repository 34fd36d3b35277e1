// Where the samples of a box lie on a feature map and in its mask.
#ifndef TFMASK_SHAPE_AWARE_ROI_ALIGN_SAMPLING_H_
#define TFMASK_SHAPE_AWARE_ROI_ALIGN_SAMPLING_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernel.h"

namespace tfmask {

// One axis of a box in cells of its level.
struct Frame {
  float start;
  float side;
  int64_t samples;  // a bin
};

struct BoxFrame {
  Frame y;
  Frame x;
};

// In float, operation by operation as the specification: the ceiling that counts the
// samples must see the same number.
inline Frame AxisFrame(const Geometry& geometry, float low, float high, float stride) {
  const float shift = geometry.aligned ? 0.5f : 0.0f;
  Frame frame;
  frame.start = low / stride - shift;
  frame.side = std::max(high / stride - shift - frame.start,
                        geometry.aligned ? 0.0f : 1.0f);
  if (geometry.sampling_ratio > 0) {
    frame.samples = geometry.sampling_ratio;
  } else {
    const float bin_side = frame.side / static_cast<float>(geometry.size);
    frame.samples =
        static_cast<int64_t>(std::ceil(std::min(std::max(bin_side, 1.0f), 4096.0f)));
  }
  return frame;
}

inline BoxFrame FrameOf(const Geometry& geometry, const float* box, float stride) {
  float corners[4];
  const bool finite = std::isfinite(box[0]) && std::isfinite(box[1]) &&
                      std::isfinite(box[2]) && std::isfinite(box[3]);
  for (int i = 0; i < 4; ++i) {
    corners[i] = finite ? std::min(std::max(box[i], -1e6f), 1e6f) : 0.0f;
  }
  return {AxisFrame(geometry, corners[1], corners[3], stride),
          AxisFrame(geometry, corners[0], corners[2], stride)};
}

// Cells [begin, end) that the frame may read; conservative by a cell.
struct Span {
  int64_t begin;
  int64_t end;
};

inline Span SpanOf(const Frame& frame, int64_t extent) {
  const double last = static_cast<double>(extent - 1);
  const double low = std::floor(static_cast<double>(frame.start)) - 1;
  const double high = std::floor(static_cast<double>(frame.start) + frame.side) + 2;
  if (!(high >= -1) || !(low <= last + 1)) return {0, 0};
  return {static_cast<int64_t>(std::max(low, 0.0)),
          static_cast<int64_t>(std::min(high, last)) + 1};
}

// Linear interpolation of one sample: between two neighbours, the same one at a border.
template <typename T>
struct Reading {
  int64_t sample;
  int64_t low, high;
  T low_weight, high_weight;
};

template <typename T>
inline Reading<T> ReadingAt(int64_t sample, double position, int64_t extent) {
  position = std::min(std::max(position, 0.0), static_cast<double>(extent - 1));
  const int64_t low = static_cast<int64_t>(position);
  const T weight = static_cast<T>(position - static_cast<double>(low));
  return {sample, low, std::min(low + 1, extent - 1), T(1) - weight, weight};
}

// Readings of the samples [begin, end) of a frame that lie on the map or up to one cell
// beside it; the others read zero and are left out. They come in ascending order, and
// those that are left out are at the ends.
template <typename T>
void ReadFeatures(const Frame& frame, int64_t size, int64_t extent, int64_t begin,
                  int64_t end, std::vector<Reading<T>>* readings) {
  readings->clear();
  const double step =
      static_cast<double>(frame.side) / static_cast<double>(size * frame.samples);
  for (int64_t k = begin; k < end; ++k) {
    const double position = frame.start + (static_cast<double>(k) + 0.5) * step;
    if (!(position >= -1.0)) continue;
    if (!(position <= static_cast<double>(extent))) break;
    readings->push_back(ReadingAt<T>(k, position, extent));
  }
}

// Sample k of n lies at the fraction (k + 1/2) / n of its box, whatever the box.
template <typename T>
Reading<T> ReadMask(int64_t sample, int64_t samples, int64_t extent) {
  const double fraction =
      (static_cast<double>(sample) + 0.5) / static_cast<double>(samples);
  return ReadingAt<T>(sample, fraction * static_cast<double>(extent) - 0.5, extent);
}

// Ascending cells without repetition, filled by readings in ascending order.
class Cells {
 public:
  void Clear() { cells_.clear(); }
  // The index of a cell, which is added if it is new.
  int64_t Index(int64_t cell) {
    const int64_t count = static_cast<int64_t>(cells_.size());
    if (count > 0 && cells_[count - 1] == cell) return count - 1;
    if (count > 1 && cells_[count - 2] == cell) return count - 2;
    cells_.push_back(cell);
    return count;
  }
  int64_t size() const { return static_cast<int64_t>(cells_.size()); }
  int64_t operator[](int64_t i) const { return cells_[i]; }

 private:
  std::vector<int64_t> cells_;
};

// Mask values at the samples rows x columns, times `scale`: grid[row * columns + column].
template <typename T>
class MaskGrid {
 public:
  // mask: [height, width], or null for ones.
  void Fill(const T* mask, const Geometry& geometry, const BoxFrame& frame,
            const std::vector<Reading<T>>& rows,
            const std::vector<Reading<T>>& columns) {
    const T scale = T(1) / static_cast<T>(frame.y.samples * frame.x.samples);
    columns_ = columns.size();
    grid_.resize(rows.size() * columns_);
    if (mask == nullptr) {
      std::fill(grid_.begin(), grid_.end(), scale);
      return;
    }
    const int64_t height = geometry.mask_height, width = geometry.mask_width;
    across_.clear();
    for (const Reading<T>& column : columns) {
      across_.push_back(
          ReadMask<T>(column.sample, geometry.size * frame.x.samples, width));
    }
    line_.resize(width);
    for (size_t i = 0; i < rows.size(); ++i) {
      const Reading<T> down =
          ReadMask<T>(rows[i].sample, geometry.size * frame.y.samples, height);
      const T* low = mask + down.low * width;
      const T* high = mask + down.high * width;
      const T low_weight = down.low_weight * scale;
      const T high_weight = down.high_weight * scale;
      for (int64_t j = 0; j < width; ++j) {
        line_[j] = low_weight * low[j] + high_weight * high[j];
      }
      T* values = grid_.data() + i * columns_;
      for (size_t j = 0; j < columns_; ++j) {
        const Reading<T>& at = across_[j];
        values[j] = at.low_weight * line_[at.low] + at.high_weight * line_[at.high];
      }
    }
  }
  const T* Row(size_t i) const { return grid_.data() + i * columns_; }

 private:
  size_t columns_ = 0;
  std::vector<T> grid_, line_;
  std::vector<Reading<T>> across_;
};

// A sparse row of the matrix between bins and cells.
template <typename T>
struct Terms {
  std::vector<int64_t> offsets;
  std::vector<T> weights;
};

}  // namespace tfmask

#endif  // TFMASK_SHAPE_AWARE_ROI_ALIGN_SAMPLING_H_
