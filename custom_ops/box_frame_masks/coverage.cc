// The arithmetic of transforms._average_rows, operation by operation: positions in
// double, values in float, sums in the order of the samples. Compiled without fused
// multiply-adds.
#include "coverage.h"

#include <algorithm>
#include <cmath>

#define TFMASK_INLINE inline __attribute__((always_inline))

namespace tfmask {
namespace {

// sums[i] (+)= first[i] + (second[i] - first[i]) * weight
template <typename Pixel>
TFMASK_INLINE void MixRow(const Pixel* __restrict first, const Pixel* __restrict second,
                          float weight, int64_t count, bool add, float* __restrict sums) {
  if (add) {
    for (int64_t i = 0; i < count; ++i) {
      const float low = first[i], high = second[i];
      sums[i] += low + (high - low) * weight;
    }
  } else {
    for (int64_t i = 0; i < count; ++i) {
      const float low = first[i], high = second[i];
      sums[i] = low + (high - low) * weight;
    }
  }
}

TFMASK_INLINE void DivideRow(float divisor, int64_t count, float* __restrict values) {
  for (int64_t i = 0; i < count; ++i) values[i] /= divisor;
}

TFMASK_INLINE void RoundRow(const float* __restrict values, int64_t count,
                            uint8_t* __restrict out) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<uint8_t>(static_cast<int32_t>(values[i] * 255.0f + 0.5f));
  }
}

// The loops compiled for an instruction set.
struct Loops {
  void (*mix_pixels)(const uint8_t*, const uint8_t*, float, int64_t, bool, float*);
  void (*mix_floats)(const float*, const float*, float, int64_t, bool, float*);
  void (*divide)(float, int64_t, float*);
  void (*round)(const float*, int64_t, uint8_t*);
};

#define TFMASK_LOOPS(NAME, TARGET)                                                       \
  struct NAME {                                                                         \
    TARGET static void MixPixels(const uint8_t* first, const uint8_t* second,           \
                                 float weight, int64_t count, bool add, float* sums) {  \
      MixRow(first, second, weight, count, add, sums);                                  \
    }                                                                                   \
    TARGET static void MixFloats(const float* first, const float* second, float weight, \
                                 int64_t count, bool add, float* sums) {                \
      MixRow(first, second, weight, count, add, sums);                                  \
    }                                                                                   \
    TARGET static void Divide(float divisor, int64_t count, float* values) {            \
      DivideRow(divisor, count, values);                                                \
    }                                                                                   \
    TARGET static void Round(const float* values, int64_t count, uint8_t* out) {        \
      RoundRow(values, count, out);                                                     \
    }                                                                                   \
    static constexpr Loops kLoops = {MixPixels, MixFloats, Divide, Round};              \
  };

TFMASK_LOOPS(Portable, )
#if defined(__x86_64__)
TFMASK_LOOPS(Avx2, __attribute__((target("avx2"))))
#endif
#undef TFMASK_LOOPS

const Loops& FastestLoops() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) return Avx2::kLoops;
#endif
  return Portable::kLoops;
}

// to[j, i] = from[i, j]; in blocks, so that both stay in the cache.
template <typename T>
void Transpose(const T* __restrict from, int64_t rows, int64_t columns,
               T* __restrict to) {
  constexpr int64_t kBlock = 16;
  for (int64_t top = 0; top < rows; top += kBlock) {
    const int64_t bottom = std::min(top + kBlock, rows);
    for (int64_t j = 0; j < columns; ++j) {
      for (int64_t i = top; i < bottom; ++i) to[j * rows + i] = from[i * columns + j];
    }
  }
}

}  // namespace

int32_t Coverage::Place(double low, double high, int32_t extent, int32_t cells) {
  const int32_t samples =
      std::max(static_cast<int32_t>(std::ceil((high - low) / cells)), 1);
  const int32_t count = cells * samples;
  const double start = low - 0.5, step = (high - low) / count;
  const double last = extent - 1;
  samples_.resize(count);
  for (int32_t i = 0; i < count; ++i) {
    const double position = std::min(std::max(start + (i + 0.5) * step, 0.0), last);
    const int32_t first =
        std::min(static_cast<int32_t>(position), std::max(extent - 2, 0));
    samples_[i] = {first, std::min(first + 1, extent - 1),
                   static_cast<float>(position - first)};
  }
  return samples;
}

void Coverage::Compute(const Bitmap& bitmap, const float* box, int32_t resolution,
                       bool mirrored, uint8_t* out) {
  const Loops& loops = FastestLoops();
  const Window& window = bitmap.window();
  const int64_t columns = window.columns(), side = resolution;

  int32_t samples = Place(double{box[1]} - window.top, double{box[3]} - window.top,
                          window.rows(), resolution);
  rows_.resize(side * columns);
  for (int64_t i = 0; i < side; ++i) {
    float* row = rows_.data() + i * columns;
    for (int32_t k = 0; k < samples; ++k) {
      const Sample& at = samples_[i * samples + k];
      loops.mix_pixels(bitmap.Row(at.first), bitmap.Row(at.second), at.weight, columns,
                       k > 0, row);
    }
    if (samples > 1) loops.divide(samples, columns, row);
  }

  samples = Place(double{box[0]} - window.left, double{box[2]} - window.left, columns,
                  resolution);
  transposed_.resize(side * columns);
  Transpose(rows_.data(), side, columns, transposed_.data());
  sums_.resize(side);
  cells_.resize(side * side);
  for (int64_t i = 0; i < side; ++i) {
    for (int32_t k = 0; k < samples; ++k) {
      const Sample& at = samples_[i * samples + k];
      loops.mix_floats(transposed_.data() + at.first * side,
                       transposed_.data() + at.second * side, at.weight, side, k > 0,
                       sums_.data());
    }
    if (samples > 1) loops.divide(samples, side, sums_.data());
    const int64_t column = mirrored ? side - 1 - i : i;
    loops.round(sums_.data(), side, cells_.data() + column * side);
  }
  Transpose(cells_.data(), side, side, out);
}

}  // namespace tfmask
