// Averages of a bitmap over the cells of a grid that divides a box.
#ifndef TFMASK_BOX_FRAME_MASKS_COVERAGE_H_
#define TFMASK_BOX_FRAME_MASKS_COVERAGE_H_

#include <cstdint>
#include <vector>

#include "bitmap.h"

namespace tfmask {

class Coverage {
 public:
  // Writes out [resolution, resolution]. Box: x1, y1, x2, y2 in pixels of the image;
  // the bitmap's window holds it.
  void Compute(const Bitmap& bitmap, const float* box, int32_t resolution, bool mirrored,
               uint8_t* out);

 private:
  // Where a sample reads, between two neighbours.
  struct Sample {
    int32_t first, second;
    float weight;  // of the second
  };
  // The samples of an axis of `extent` pixels, for cells that divide [low, high), all
  // in the order of the cells; how many there are per cell.
  int32_t Place(double low, double high, int32_t extent, int32_t cells);

  std::vector<Sample> samples_;
  std::vector<float> rows_, transposed_, sums_;
  std::vector<uint8_t> cells_;
};

}  // namespace tfmask

#endif  // TFMASK_BOX_FRAME_MASKS_COVERAGE_H_
