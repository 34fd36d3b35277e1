// Box-frame masks of the instances of one image, without Python and TensorFlow.
//
// What they are says box_frame_mask in tfmask/data/transforms.py, which is the
// specification: the results are the same bit by bit. The functions hold no state and
// may run in any number of threads.
#ifndef TFMASK_BOX_FRAME_MASKS_H_
#define TFMASK_BOX_FRAME_MASKS_H_

#include <cstdint>

enum TfmaskSegmentation {
  TFMASK_NO_MASK = 0,  // zeros: a crowd region
  TFMASK_POLYGONS = 1,
  TFMASK_RUN_LENGTHS = 2,
};

enum TfmaskMaskStatus {
  TFMASK_MASKS_OK = 0,
  TFMASK_MASKS_INVALID = 1,  // an argument is out of its range
  TFMASK_MASKS_NO_MEMORY = 2,
};

// The segmentations of an image, side by side.
struct TfmaskSegmentations {
  int64_t num_instances, num_parts, num_points, num_counts;
  // Per instance: a TfmaskSegmentation, and [begin, end) of the parts or of the counts.
  const int64_t* layout;     // [num_instances, 3]
  const int64_t* part_ends;  // [num_parts]: one behind the last point of a part
  const double* points;      // [num_points, 2] x, y in pixels
  const int32_t* counts;     // [num_counts] column-major run lengths, first of zeros
  const float* boxes;        // [num_instances, 4] x1, y1, x2, y2 in pixels
  int32_t height, width;     // of the image
};

// Raised with every change of what this file declares.
extern "C" int tfmask_box_frame_masks_version();

// Writes out [num_instances, resolution, resolution]; mirrored: left and right exchanged.
// Where a status is not TFMASK_MASKS_OK, what was written means nothing. The image has at
// least 2x2 pixels and the resolution is at least 2: below, NumPy adds in another order.
extern "C" int tfmask_box_frame_masks(const TfmaskSegmentations* segmentations,
                                      int32_t resolution, int32_t mirrored,
                                      uint8_t* out);

#endif  // TFMASK_BOX_FRAME_MASKS_H_
