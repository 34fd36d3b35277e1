// The pixels of an instance in a window of its image.
#ifndef TFMASK_BOX_FRAME_MASKS_BITMAP_H_
#define TFMASK_BOX_FRAME_MASKS_BITMAP_H_

#include <cstdint>
#include <vector>

#include "box_frame_masks.h"

namespace tfmask {

struct Window {
  int32_t left, top, right, bottom;

  int32_t rows() const { return bottom - top; }
  int32_t columns() const { return right - left; }
};

// Zeros and ones, row by row. Outlines are drawn as the places where a column changes
// between the two; `Fill` turns them into pixels.
class Bitmap {
 public:
  // Clears it.
  void Reset(const Window& window);

  // The outlines of polygons, [begin, end) of the parts; pixels in any of them are ones.
  // False: a coordinate is too large to be drawn.
  bool DrawPolygons(const TfmaskSegmentations& all, int64_t begin, int64_t end);

  // The runs of ones of [begin, end) of the counts. False: a length is negative.
  bool DrawRuns(const TfmaskSegmentations& all, int64_t begin, int64_t end);

  const uint8_t* Row(int32_t row) const {
    return pixels_.data() + static_cast<int64_t>(row) * window_.columns();
  }
  const Window& window() const { return window_; }

 private:
  void DrawOutline(const double* points, int64_t count, const Window& extent);
  void DrawEdge(int64_t x1, int64_t y1, int64_t x2, int64_t y2, const Window& extent);
  // The pixels of a column change from this row of the image on.
  void Change(int64_t column, int64_t row);
  void Fill();
  // Moves the pixels into the union, and clears them.
  void Unite();

  Window window_;
  std::vector<uint8_t> pixels_, union_;
};

}  // namespace tfmask

#endif  // TFMASK_BOX_FRAME_MASKS_BITMAP_H_
