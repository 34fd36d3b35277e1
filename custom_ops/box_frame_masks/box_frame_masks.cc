#include "box_frame_masks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <new>

#include "bitmap.h"
#include "coverage.h"

namespace tfmask {
namespace {

constexpr int32_t kLargestImage = 1 << 24;      // pixels per side
constexpr int64_t kLargestWindow = 1ll << 31;   // pixels
constexpr int32_t kLargestResolution = 1 << 13;
constexpr int64_t kFewestPoints = 3;

bool IsRange(int64_t begin, int64_t end, int64_t count) {
  return 0 <= begin && begin < end && end <= count;
}

bool ArePartsSound(const TfmaskSegmentations& all) {
  int64_t before = 0;
  for (int64_t i = 0; i < all.num_parts; ++i) {
    const int64_t end = all.part_ends[i];
    if (end > all.num_points || end - before < kFewestPoints) return false;
    before = end;
  }
  return true;
}

// The part of the image that the interpolation in a box reads: a pixel more on each
// side. False: the box is not inside the image.
bool WindowOf(const TfmaskSegmentations& all, const float* box, Window* window) {
  const bool inside = 0 <= box[0] && box[0] < box[2] && box[2] <= all.width &&
                      0 <= box[1] && box[1] < box[3] && box[3] <= all.height;
  if (!inside) return false;
  window->left = std::max(static_cast<int32_t>(box[0]) - 1, 0);
  window->top = std::max(static_cast<int32_t>(box[1]) - 1, 0);
  window->right = std::min(static_cast<int32_t>(box[2]) + 2, all.width);
  window->bottom = std::min(static_cast<int32_t>(box[3]) + 2, all.height);
  return int64_t{window->rows()} * window->columns() <= kLargestWindow;
}

TfmaskMaskStatus Compute(const TfmaskSegmentations& all, int32_t resolution,
                         bool mirrored, uint8_t* out) {
  const bool sound = all.num_instances >= 0 && all.num_parts >= 0 &&
                     all.num_points >= 0 && all.num_counts >= 0 && all.height >= 2 &&
                     all.width >= 2 && all.height <= kLargestImage &&
                     all.width <= kLargestImage && resolution >= 2 &&
                     resolution <= kLargestResolution;
  if (!sound || !ArePartsSound(all)) return TFMASK_MASKS_INVALID;
  Bitmap bitmap;
  Coverage coverage;
  const int64_t size = int64_t{resolution} * resolution;
  for (int64_t i = 0; i < all.num_instances; ++i, out += size) {
    const int64_t kind = all.layout[3 * i];
    const int64_t begin = all.layout[3 * i + 1], end = all.layout[3 * i + 2];
    if (kind == TFMASK_NO_MASK) {
      std::memset(out, 0, size);
      continue;
    }
    Window window;
    const float* box = all.boxes + 4 * i;
    if (!WindowOf(all, box, &window)) return TFMASK_MASKS_INVALID;
    bitmap.Reset(window);
    bool drawn = false;
    if (kind == TFMASK_POLYGONS) {
      drawn = IsRange(begin, end, all.num_parts) && bitmap.DrawPolygons(all, begin, end);
    } else if (kind == TFMASK_RUN_LENGTHS) {
      drawn = IsRange(begin, end, all.num_counts) && bitmap.DrawRuns(all, begin, end);
    }
    if (!drawn) return TFMASK_MASKS_INVALID;
    coverage.Compute(bitmap, box, resolution, mirrored, out);
  }
  return TFMASK_MASKS_OK;
}

}  // namespace
}  // namespace tfmask

extern "C" int tfmask_box_frame_masks_version() { return 1; }

extern "C" int tfmask_box_frame_masks(const TfmaskSegmentations* segmentations,
                                      int32_t resolution, int32_t mirrored,
                                      uint8_t* out) {
  try {
    return tfmask::Compute(*segmentations, resolution, mirrored != 0, out);
  } catch (const std::bad_alloc&) {
    return TFMASK_MASKS_NO_MEMORY;
  }
}
