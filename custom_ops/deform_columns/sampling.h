// Where the taps read, and the cells around each place.
#ifndef TFMASK_DEFORM_COLUMNS_SAMPLING_H_
#define TFMASK_DEFORM_COLUMNS_SAMPLING_H_

#include <cmath>
#include <cstdint>

#include "kernel.h"

namespace tfmask {
namespace deform_columns {

// One axis of a place: between the cells `low` and low + 1, of which one may lie outside.
template <typename T>
struct Axis {
  bool reads;  // false: only zeros around
  int64_t low;
  T fraction;  // towards low + 1
};

// base: the tap's place without displacement. The sum is a float's, as in the
// specification; comparisons are false for what is not a number.
template <typename T>
inline Axis<T> AxisAt(int64_t base, float displacement, int64_t extent) {
  const float place = displacement + static_cast<float>(base);
  if (!(place >= -1.0f && place < static_cast<float>(extent))) return {false, 0, T(0)};
  const float low = std::floor(place);
  return {true, static_cast<int64_t>(low), static_cast<T>(place) - static_cast<T>(low)};
}

template <typename T>
struct Place {
  bool reads;
  Axis<T> y, x;
};

// The image, row and column of an output cell.
struct OutputCell {
  int64_t image, row, column;
};

inline OutputCell OutputCellAt(const Geometry& geometry, int64_t cell) {
  const int64_t row = cell / geometry.out_width;
  return {row / geometry.out_height, row % geometry.out_height,
          cell % geometry.out_width};
}

// offsets: dy, dx of this tap.
template <typename T>
inline Place<T> PlaceOf(const Geometry& geometry, const OutputCell& cell, int64_t tap_y,
                        int64_t tap_x, const float* offsets) {
  const int64_t pad = (geometry.size - 1) / 2;
  Place<T> place;
  place.y = AxisAt<T>(cell.row * geometry.stride - pad + tap_y, offsets[0],
                      geometry.height);
  place.x = AxisAt<T>(cell.column * geometry.stride - pad + tap_x, offsets[1],
                      geometry.width);
  place.reads = place.y.reads && place.x.reads;
  return place;
}

// Those of the four cells around a place that lie in rows [first_row, last_row] of the
// map.
template <typename T>
struct Corners {
  int count = 0;
  int64_t offsets[4];  // from the image's first element
  T weights[4];
  int indices[4];  // 2 * (lower) + (to the right)
};

// Cells of weight zero are left out unless `all`.
template <typename T>
inline Corners<T> CornersOf(const Geometry& geometry, const Place<T>& place,
                            int64_t first_row, int64_t last_row, bool all) {
  Corners<T> corners;
  for (int lower = 0; lower < 2; ++lower) {
    const int64_t row = place.y.low + lower;
    if (row < first_row || row > last_row) continue;
    const T across = lower ? place.y.fraction : T(1) - place.y.fraction;
    for (int right = 0; right < 2; ++right) {
      const int64_t column = place.x.low + right;
      const T weight = across * (right ? place.x.fraction : T(1) - place.x.fraction);
      if (column < 0 || column >= geometry.width || (weight == T(0) && !all)) continue;
      corners.offsets[corners.count] =
          (row * geometry.width + column) * geometry.channels;
      corners.weights[corners.count] = weight;
      corners.indices[corners.count] = 2 * lower + right;
      ++corners.count;
    }
  }
  return corners;
}

}  // namespace deform_columns
}  // namespace tfmask

#endif  // TFMASK_DEFORM_COLUMNS_SAMPLING_H_
