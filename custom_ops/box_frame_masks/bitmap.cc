// Polygons are drawn as pycocotools draws them, whose result is the definition of a COCO
// mask: vertices are rounded to fifths of a pixel, an outline is the chain of these steps
// between them, and a column of pixels changes where the chain passes the column's
// middle, at the first pixel whose middle is not above the chain.
#include "bitmap.h"

#include <algorithm>
#include <cmath>

namespace tfmask {
namespace {

constexpr int64_t kSteps = 5;      // per pixel
constexpr int64_t kMiddle = 2;     // of a pixel, in steps from its edge
constexpr double kLargest = 1e8;   // coordinate that is drawn, pixels

// The smallest integer n with n * kSteps >= value.
int64_t CeilOfSteps(int64_t value) {
  const int64_t quotient = value / kSteps;
  return quotient + (value % kSteps > 0);
}

// Integers that hold every pixel of the parts, inside the image; as
// data.coco.segmentation.extent has it. Vertices are rounded relative to it.
bool ExtentOf(const TfmaskSegmentations& all, int64_t begin, int64_t end,
              Window* extent) {
  const int64_t first = begin == 0 ? 0 : all.part_ends[begin - 1];
  double low[2] = {INFINITY, INFINITY}, high[2] = {-INFINITY, -INFINITY};
  for (int64_t i = first; i < all.part_ends[end - 1]; ++i) {
    for (int axis = 0; axis < 2; ++axis) {
      const double value = all.points[2 * i + axis];
      if (!(std::fabs(value) <= kLargest)) return false;
      low[axis] = std::min(low[axis], value);
      high[axis] = std::max(high[axis], value);
    }
  }
  extent->left = static_cast<int32_t>(std::max(std::floor(low[0]), 0.0));
  extent->top = static_cast<int32_t>(std::max(std::floor(low[1]), 0.0));
  extent->right = std::min(static_cast<int32_t>(std::ceil(high[0])) + 1, all.width);
  extent->bottom = std::min(static_cast<int32_t>(std::ceil(high[1])) + 1, all.height);
  return true;
}

// A coordinate in steps from `origin`, truncated twice as the specification does it.
int64_t StepsFrom(double value, int32_t origin) {
  double steps = std::trunc(5.0 * value + 0.5) - 5.0 * origin;
  if (steps < 0) steps -= 0.9;
  return static_cast<int64_t>(5.0 * (steps / 5.0) + 0.5);
}

// The chain on the axis along which an edge is shorter, at step t of the longer one.
int64_t At(int64_t start, double slope, int64_t t) {
  return static_cast<int64_t>(start + slope * t + 0.5);
}

}  // namespace

void Bitmap::Reset(const Window& window) {
  window_ = window;
  pixels_.assign(static_cast<int64_t>(window.rows()) * window.columns(), 0);
}

bool Bitmap::DrawPolygons(const TfmaskSegmentations& all, int64_t begin, int64_t end) {
  Window extent;
  if (!ExtentOf(all, begin, end, &extent)) return false;
  if (extent.columns() <= 0 || extent.rows() <= 0) return true;
  if (end - begin > 1) union_.assign(pixels_.size(), 0);
  for (int64_t part = begin; part < end; ++part) {
    const int64_t first = part == 0 ? 0 : all.part_ends[part - 1];
    DrawOutline(all.points + 2 * first, all.part_ends[part] - first, extent);
    Fill();
    if (end - begin > 1) Unite();
  }
  if (end - begin > 1) pixels_.swap(union_);
  return true;
}

void Bitmap::DrawOutline(const double* points, int64_t count, const Window& extent) {
  int64_t x = StepsFrom(points[2 * count - 2], extent.left);
  int64_t y = StepsFrom(points[2 * count - 1], extent.top);
  for (int64_t i = 0; i < count; ++i) {
    const int64_t next_x = StepsFrom(points[2 * i], extent.left);
    const int64_t next_y = StepsFrom(points[2 * i + 1], extent.top);
    DrawEdge(x, y, next_x, next_y, extent);
    x = next_x;
    y = next_y;
  }
}

void Bitmap::DrawEdge(int64_t x1, int64_t y1, int64_t x2, int64_t y2,
                      const Window& extent) {
  const int64_t across = std::abs(x2 - x1), down = std::abs(y2 - y1);
  if (across == 0) return;
  const bool flat = across >= down;
  // The chain runs in ascending order of the longer axis.
  if (flat ? x1 > x2 : y1 > y2) {
    std::swap(x1, x2);
    std::swap(y1, y2);
  }
  const double slope = flat ? static_cast<double>(y2 - y1) / across
                            : static_cast<double>(x2 - x1) / down;
  // Columns whose middle lies between two neighbouring steps of the chain: those of the
  // window alone matter.
  const int64_t low = std::min(x1, x2), high = std::max(x1, x2);
  const int64_t offset = window_.left - extent.left;
  const int64_t first = std::max({CeilOfSteps(low - kMiddle), offset, int64_t{0}});
  const int64_t stop = std::min<int64_t>(offset + window_.columns(), extent.columns());
  for (int64_t column = first; column < stop; ++column) {
    const int64_t before = kSteps * column + kMiddle;  // the middle is half a step on
    if (before + 1 > high) break;
    int64_t y;
    if (flat) {
      const int64_t t = before - x1;
      y = std::min(At(y1, slope, t), At(y1, slope, t + 1));
    } else {
      // The first step t on the other side of the middle, guessed and then corrected.
      const bool rises = x2 > x1;
      const auto beyond = [&](int64_t t) {
        const int64_t x = At(x1, slope, t);
        return rises ? x > before : x <= before;
      };
      int64_t t = static_cast<int64_t>((before + 0.5 - x1) / slope);
      t = std::min(std::max<int64_t>(t, 1), down);
      while (t > 1 && beyond(t - 1)) --t;
      while (t < down && !beyond(t)) ++t;
      if (!beyond(t) || beyond(t - 1)) continue;
      y = y1 + t - 1;
    }
    const int64_t row = std::min<int64_t>(std::max<int64_t>(CeilOfSteps(y - kMiddle), 0),
                                          extent.rows());
    Change(column + extent.left, row + extent.top);
  }
}

bool Bitmap::DrawRuns(const TfmaskSegmentations& all, int64_t begin, int64_t end) {
  const int64_t height = all.height;
  const int64_t low = window_.left * height, high = window_.right * height;
  int64_t position = 0;
  for (int64_t i = begin; i < end && position < high; ++i) {
    if (all.counts[i] < 0) return false;
    const int64_t start = std::max(position, low);
    position += all.counts[i];
    const int64_t stop = std::min(position, high);
    if ((i - begin) % 2 == 0 || start >= stop) continue;
    for (int64_t column = start / height; column * height < stop; ++column) {
      Change(column, std::max(start - column * height, int64_t{0}));
      Change(column, std::min(stop - column * height, height));
    }
  }
  Fill();
  return true;
}

void Bitmap::Change(int64_t column, int64_t row) {
  row = std::max<int64_t>(row, window_.top);
  if (row >= window_.bottom) return;
  pixels_[(row - window_.top) * window_.columns() + column - window_.left] ^= 1;
}

void Bitmap::Fill() {
  const int64_t columns = window_.columns();
  for (int64_t row = 1; row < window_.rows(); ++row) {
    uint8_t* __restrict to = pixels_.data() + row * columns;
    const uint8_t* __restrict above = to - columns;
    for (int64_t i = 0; i < columns; ++i) to[i] ^= above[i];
  }
}

void Bitmap::Unite() {
  uint8_t* __restrict from = pixels_.data();
  uint8_t* __restrict to = union_.data();
  const size_t count = pixels_.size();
  for (size_t i = 0; i < count; ++i) to[i] |= from[i];
  std::fill(pixels_.begin(), pixels_.end(), 0);
}

}  // namespace tfmask
