#include "kernel.h"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "../common/vector_math.h"
#include "sampling.h"

namespace tfmask {
namespace deform_columns {
namespace {

// Rows of the map that one thread owns at a time. A place on the border between two
// bands is visited by both, so bands are as high as gives every thread two of them; but
// their sums have to stay in the cache.
int64_t BandRows(const Geometry& geometry, int num_threads) {
  const int64_t rows = geometry.batch * geometry.height / (2 * num_threads);
  return std::min<int64_t>(std::max<int64_t>(rows, 4), 32);
}

// Nanoseconds of an output cell whose taps each pass `passes` times over the channels.
int64_t CellCost(const Geometry& geometry, int64_t passes) {
  return geometry.taps() * (20 + passes * geometry.channels / 16);
}

int64_t ImageElements(const Geometry& geometry) {
  return geometry.height * geometry.width * geometry.channels;
}

// Calls visit(place, tap) for the taps of an output cell that read, and miss(tap) for
// the others; tap counts over all output cells.
template <typename T, typename Visit, typename Miss>
void ForTaps(const Geometry& geometry, const float* offsets, int64_t index,
             const Visit& visit, const Miss& miss) {
  const OutputCell cell = OutputCellAt(geometry, index);
  int64_t tap = index * geometry.taps();
  for (int64_t tap_y = 0; tap_y < geometry.size; ++tap_y) {
    for (int64_t tap_x = 0; tap_x < geometry.size; ++tap_x, ++tap) {
      const Place<T> place =
          PlaceOf<T>(geometry, cell, tap_y, tap_x, offsets + 2 * tap);
      if (place.reads) {
        visit(place, tap);
      } else {
        miss(tap);
      }
    }
  }
}

// The rows of the map that a row of output cells reads.
struct RowSpan {
  int64_t first, last;
};

std::vector<RowSpan> RowSpans(const Geometry& geometry, const float* offsets,
                              const Parallel& parallel) {
  std::vector<RowSpan> spans(geometry.batch * geometry.out_height,
                             {geometry.height, -1});
  const int64_t cost = geometry.out_width * geometry.taps() * 4;
  parallel(spans.size(), cost, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * geometry.out_width; i < end * geometry.out_width; ++i) {
      RowSpan& span = spans[i / geometry.out_width];
      ForTaps<float>(
          geometry, offsets, i,
          [&](const Place<float>& place, int64_t) {
            span.first = std::min(span.first, place.y.low);
            span.last = std::max(span.last, place.y.low + 1);
          },
          [](int64_t) {});
    }
  });
  return spans;
}

// `from` as T: itself, or widened into `buffer`.
template <typename F, typename T>
const T* Wide(const VectorMath<F, T>& math, const F* from, std::vector<T>* buffer) {
  if constexpr (std::is_same_v<F, T>) {
    return from;
  } else {
    math.widen(buffer->data(), from, buffer->size());
    return buffer->data();
  }
}

// The gradient of rows [first, last] of an image's features, in the order of the columns.
template <typename F, typename T>
class BandGradient {
 public:
  BandGradient(const Geometry& geometry, const Inputs<F, T>& inputs,
               const F* grad_columns, const std::vector<RowSpan>& spans)
      : geometry_(geometry), inputs_(inputs), grad_columns_(grad_columns),
        spans_(spans) {}

  // grad_image: the gradient of the whole image.
  void Compute(int64_t image, int64_t first, int64_t last, F* grad_image) {
    const int64_t line = geometry_.width * geometry_.channels;
    const int64_t elements = (last - first + 1) * line;
    F* band = grad_image + first * line;
    if constexpr (std::is_same_v<F, T>) {
      std::fill(band, band + elements, T(0));
      Add(image, first, last, band);
    } else {
      // Summed in the wide type, and rounded once.
      wide_.assign(elements, T(0));
      Add(image, first, last, wide_.data());
      math_.narrow(band, wide_.data(), elements);
    }
  }

 private:
  void Add(int64_t image, int64_t first, int64_t last, T* band) {
    const int64_t channels = geometry_.channels;
    const int64_t skipped = first * geometry_.width * channels;
    for (int64_t i = 0; i < geometry_.out_height; ++i) {
      const int64_t row = image * geometry_.out_height + i;
      if (spans_[row].first > last || spans_[row].last < first) continue;
      for (int64_t j = 0; j < geometry_.out_width; ++j) {
        ForTaps<T>(
            geometry_, inputs_.offsets, row * geometry_.out_width + j,
            [&](const Place<T>& place, int64_t tap) {
              Corners<T> corners = CornersOf(geometry_, place, first, last, false);
              const T scale = inputs_.modulation ? inputs_.modulation[tap] : T(1);
              for (int n = 0; n < corners.count; ++n) {
                corners.weights[n] *= scale;
                corners.offsets[n] -= skipped;
              }
              math_.scatter(band, corners.offsets, corners.weights,
                            corners.count, grad_columns_ + tap * channels, channels);
            },
            [](int64_t) {});
      }
    }
  }

  const Geometry& geometry_;
  const Inputs<F, T>& inputs_;
  const F* grad_columns_;
  const std::vector<RowSpan>& spans_;
  const VectorMath<F, T>& math_ = FastestVectorMath<F, T>();
  std::vector<T> wide_;
};

}  // namespace

template <typename F, typename T>
void Forward(const Geometry& geometry, const Inputs<F, T>& inputs, F* columns,
             const Parallel& parallel) {
  const VectorMath<F, T>& math = FastestVectorMath<F, T>();
  const int64_t channels = geometry.channels, last_row = geometry.height - 1;
  const int64_t cells = geometry.batch * geometry.out_height * geometry.out_width;
  parallel(cells, CellCost(geometry, 4), [&](int64_t begin, int64_t end) {
    std::vector<T> sums(std::is_same_v<F, T> ? 0 : channels);
    for (int64_t i = begin; i < end; ++i) {
      const F* image = inputs.features +
                       OutputCellAt(geometry, i).image * ImageElements(geometry);
      ForTaps<T>(
          geometry, inputs.offsets, i,
          [&](const Place<T>& place, int64_t tap) {
            Corners<T> corners = CornersOf(geometry, place, 0, last_row, false);
            const T scale = inputs.modulation ? inputs.modulation[tap] : T(1);
            for (int n = 0; n < corners.count; ++n) corners.weights[n] *= scale;
            F* column = columns + tap * channels;
            T* to = sums.data();
            if constexpr (std::is_same_v<F, T>) to = column;
            math.weighted_sum(to, image, corners.offsets, corners.weights,
                              corners.count, channels, false);
            if constexpr (!std::is_same_v<F, T>) math.narrow(column, to, channels);
          },
          [&](int64_t tap) {
            std::fill_n(columns + tap * channels, channels, F{});
          });
    }
  });
}

template <typename F, typename T>
void BackwardFeatures(const Geometry& geometry, const Inputs<F, T>& inputs,
                      const F* grad_columns, F* grad_features, const Parallel& parallel,
                      int num_threads) {
  const std::vector<RowSpan> spans = RowSpans(geometry, inputs.offsets, parallel);
  const int64_t rows = BandRows(geometry, num_threads);
  const int64_t bands = (geometry.height + rows - 1) / rows;
  const int64_t cells = geometry.out_height * geometry.out_width;
  const int64_t cost = CellCost(geometry, 8) * cells / std::max<int64_t>(bands, 1);
  parallel(geometry.batch * bands, cost, [&](int64_t begin, int64_t end) {
    BandGradient<F, T> gradient(geometry, inputs, grad_columns, spans);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / bands, first = i % bands * rows;
      gradient.Compute(image, first, std::min(first + rows, geometry.height) - 1,
                       grad_features + image * ImageElements(geometry));
    }
  });
}

template <typename F, typename T>
void BackwardPlaces(const Geometry& geometry, const Inputs<F, T>& inputs,
                    const F* grad_columns, float* grad_offsets, T* grad_modulation,
                    const Parallel& parallel) {
  const VectorMath<F, T>& math = FastestVectorMath<F, T>();
  const int64_t channels = geometry.channels, last_row = geometry.height - 1;
  const int64_t cells = geometry.batch * geometry.out_height * geometry.out_width;
  parallel(cells, CellCost(geometry, 8), [&](int64_t begin, int64_t end) {
    std::vector<T> wide(std::is_same_v<F, T> ? 0 : channels);
    for (int64_t i = begin; i < end; ++i) {
      const F* image = inputs.features +
                       OutputCellAt(geometry, i).image * ImageElements(geometry);
      ForTaps<T>(
          geometry, inputs.offsets, i,
          [&](const Place<T>& place, int64_t tap) {
            const Corners<T> corners = CornersOf(geometry, place, 0, last_row, true);
            const T* grad = Wide(math, grad_columns + tap * channels, &wide);
            T dots[4], products[4] = {};
            math.dots(grad, image, corners.offsets, corners.count, channels, dots);
            for (int n = 0; n < corners.count; ++n) {
              products[corners.indices[n]] = dots[n];
            }
            const T down = place.y.fraction, across = place.x.fraction;
            const T upper = products[0] + across * (products[1] - products[0]);
            const T lower = products[2] + across * (products[3] - products[2]);
            const T left = products[0] + down * (products[2] - products[0]);
            const T right = products[1] + down * (products[3] - products[1]);
            const T scale = inputs.modulation ? inputs.modulation[tap] : T(1);
            grad_offsets[2 * tap] = static_cast<float>(scale * (lower - upper));
            grad_offsets[2 * tap + 1] = static_cast<float>(scale * (right - left));
            if (grad_modulation) {
              grad_modulation[tap] = upper + down * (lower - upper);
            }
          },
          [&](int64_t tap) {
            grad_offsets[2 * tap] = grad_offsets[2 * tap + 1] = 0.0f;
            if (grad_modulation) grad_modulation[tap] = T(0);
          });
    }
  });
}

#define TFMASK_INSTANTIATE(F, T)                                                        \
  template void Forward<F, T>(const Geometry&, const Inputs<F, T>&, F*,                 \
                              const Parallel&);                                         \
  template void BackwardFeatures<F, T>(const Geometry&, const Inputs<F, T>&, const F*,  \
                                       F*, const Parallel&, int);                       \
  template void BackwardPlaces<F, T>(const Geometry&, const Inputs<F, T>&, const F*,    \
                                     float*, T*, const Parallel&);
TFMASK_INSTANTIATE(float, float)
TFMASK_INSTANTIATE(double, double)
TFMASK_INSTANTIATE(BFloat16, float)
TFMASK_INSTANTIATE(Half, float)
#undef TFMASK_INSTANTIATE

}  // namespace deform_columns
}  // namespace tfmask
