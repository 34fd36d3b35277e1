#include "kernel.h"

#include <algorithm>
#include <type_traits>

#include "../common/vector_math.h"
#include "sampling.h"

namespace tfmask {
namespace {

// Rows of a map that one sweep keeps in the cache. Bins are visited band by band and
// from left to right within a band, whatever box they belong to, so that overlapping
// boxes share what they read.
constexpr int64_t kBandRows = 16;

// A row of bins of one box.
struct BinRow {
  uint64_t key;
  int64_t roi;
  int64_t bin;
};

uint64_t Saturated(double value, uint64_t limit) {
  if (!(value > 0)) return 0;
  return value < static_cast<double>(limit) ? static_cast<uint64_t>(value) : limit;
}

template <typename F, typename T>
std::vector<BinRow> OrderedBinRows(const Geometry& geometry,
                                   const Inputs<F, T>& inputs) {
  std::vector<BinRow> order;
  order.reserve(geometry.num_rois * geometry.size);
  for (int64_t m = 0; m < geometry.num_rois; ++m) {
    const int32_t level = inputs.levels[m];
    const BoxFrame frame =
        FrameOf(geometry, inputs.boxes + 4 * m, geometry.levels[level].stride);
    const uint64_t map = level * geometry.batch + inputs.batch_indices[m];
    const uint64_t column = Saturated(frame.x.start, (1 << 16) - 1);
    for (int64_t h = 0; h < geometry.size; ++h) {
      const double row =
          frame.y.start + static_cast<double>(frame.y.side) * h / geometry.size;
      const uint64_t band = Saturated(row / kBandRows, (1 << 16) - 1);
      order.push_back({map << 32 | band << 16 | column, m, h});
    }
  }
  std::sort(order.begin(), order.end(), [](const BinRow& a, const BinRow& b) {
    if (a.key != b.key) return a.key < b.key;
    return a.roi != b.roi ? a.roi < b.roi : a.bin < b.bin;
  });
  return order;
}

// One row of bins of one box as weights on the cells of its level.
template <typename F, typename T>
class BinRowSampler {
 public:
  BinRowSampler(const Geometry& geometry, const Inputs<F, T>& inputs)
      : geometry_(geometry), inputs_(inputs) {}

  void Load(int64_t roi, int64_t bin) {
    const int64_t size = geometry_.size;
    const int32_t level = inputs_.levels[roi];
    const Level& map = geometry_.levels[level];
    frame_ = FrameOf(geometry_, inputs_.boxes + 4 * roi, map.stride);
    image_ = inputs_.features[level] + inputs_.batch_indices[roi] * map.height *
                                           map.width * geometry_.channels;
    row_stride_ = map.width * geometry_.channels;
    ReadFeatures(frame_.y, size, map.height, bin * frame_.y.samples,
                 (bin + 1) * frame_.y.samples, &rows_);
    ReadFeatures(frame_.x, size, map.width, 0, size * frame_.x.samples, &columns_);
    const T* mask = inputs_.masks;
    if (mask != nullptr) mask += roi * geometry_.mask_height * geometry_.mask_width;
    masks_.Fill(mask, geometry_, frame_, rows_, columns_);

    row_cells_.Clear();
    for (const Reading<T>& row : rows_) {
      row_cells_.Index(row.low);
      row_cells_.Index(row.high);
    }
    // Samples of one row of cells, summed over the rows of samples that read it.
    const size_t count = columns_.size();
    across_.assign(row_cells_.size() * count, T(0));
    for (size_t i = 0; i < rows_.size(); ++i) {
      T* low = across_.data() + FindRow(rows_[i].low) * count;
      T* high = across_.data() + FindRow(rows_[i].high) * count;
      const T* values = masks_.Row(i);
      for (size_t j = 0; j < count; ++j) {
        low[j] += rows_[i].low_weight * values[j];
        high[j] += rows_[i].high_weight * values[j];
      }
    }
    next_ = 0;
  }

  // The cells of the next bin, left to right, with their weights.
  void NextBin(int64_t bin, Terms<T>* terms) {
    begin_ = next_;
    const size_t end_sample = (bin + 1) * frame_.x.samples;
    column_cells_.Clear();
    indices_.clear();
    while (next_ < columns_.size() &&
           static_cast<size_t>(columns_[next_].sample) < end_sample) {
      const int64_t low = column_cells_.Index(columns_[next_].low);
      indices_.push_back({low, column_cells_.Index(columns_[next_].high)});
      ++next_;
    }
    const int64_t width = column_cells_.size();
    terms->offsets.resize(row_cells_.size() * width);
    terms->weights.assign(row_cells_.size() * width, T(0));
    for (int64_t r = 0; r < row_cells_.size(); ++r) {
      const T* values = across_.data() + r * columns_.size();
      T* weights = terms->weights.data() + r * width;
      for (size_t j = begin_; j < next_; ++j) {
        weights[indices_[j - begin_].low] += columns_[j].low_weight * values[j];
        weights[indices_[j - begin_].high] += columns_[j].high_weight * values[j];
      }
      int64_t* offsets = terms->offsets.data() + r * width;
      for (int64_t c = 0; c < width; ++c) {
        offsets[c] =
            row_cells_[r] * row_stride_ + column_cells_[c] * geometry_.channels;
      }
    }
  }

  // Adds <gradient, feature> of each sample of the bin last visited to
  // products[row * columns + column], from the products of its cells.
  void Scatter(const std::vector<T>& dots, std::vector<T>* products) const {
    const int64_t width = column_cells_.size();
    for (size_t i = 0; i < rows_.size(); ++i) {
      const T* low = dots.data() + FindRow(rows_[i].low) * width;
      const T* high = dots.data() + FindRow(rows_[i].high) * width;
      for (size_t j = begin_; j < next_; ++j) {
        const int64_t a = indices_[j - begin_].low, b = indices_[j - begin_].high;
        const T left =
            rows_[i].low_weight * low[a] + rows_[i].high_weight * high[a];
        const T right =
            rows_[i].low_weight * low[b] + rows_[i].high_weight * high[b];
        (*products)[i * columns_.size() + j] =
            columns_[j].low_weight * left + columns_[j].high_weight * right;
      }
    }
  }

  const F* image() const { return image_; }
  const BoxFrame& frame() const { return frame_; }
  const std::vector<Reading<T>>& rows() const { return rows_; }
  const std::vector<Reading<T>>& columns() const { return columns_; }

 private:
  int64_t FindRow(int64_t cell) const {
    int64_t i = row_cells_.size() - 1;
    while (row_cells_[i] != cell) --i;
    return i;
  }

  struct Pair {
    int64_t low, high;
  };
  const Geometry& geometry_;
  const Inputs<F, T>& inputs_;
  BoxFrame frame_;
  const F* image_ = nullptr;
  int64_t row_stride_ = 0;
  std::vector<Reading<T>> rows_, columns_;
  MaskGrid<T> masks_;
  Cells row_cells_, column_cells_;
  std::vector<T> across_;
  std::vector<Pair> indices_;
  size_t begin_ = 0, next_ = 0;
};

int64_t BinRowCost(const Geometry& geometry) {
  // About 12 cells per bin, a nanosecond for 32 channels; and the weights.
  return geometry.size * geometry.channels * 12 / 32 + 1000;
}

}  // namespace

template <typename F, typename T>
void Forward(const Geometry& geometry, const Inputs<F, T>& inputs, F* out,
             const Parallel& parallel) {
  const VectorMath<F, T>& math = FastestVectorMath<F, T>();
  const int64_t channels = geometry.channels;
  const std::vector<BinRow> order = OrderedBinRows(geometry, inputs);
  parallel(order.size(), BinRowCost(geometry), [&](int64_t begin, int64_t end) {
    BinRowSampler<F, T> sampler(geometry, inputs);
    Terms<T> terms;
    std::vector<T> sums(std::is_same_v<F, T> ? 0 : channels);
    for (int64_t i = begin; i < end; ++i) {
      sampler.Load(order[i].roi, order[i].bin);
      F* bins = out + (order[i].roi * geometry.size + order[i].bin) * geometry.size *
                          channels;
      for (int64_t w = 0; w < geometry.size; ++w, bins += channels) {
        sampler.NextBin(w, &terms);
        T* to = sums.data();
        if constexpr (std::is_same_v<F, T>) to = bins;
        math.weighted_sum(to, sampler.image(), terms.offsets.data(),
                          terms.weights.data(), terms.offsets.size(), channels, false);
        if constexpr (!std::is_same_v<F, T>) math.narrow(bins, to, channels);
      }
    }
  });
}

template <typename F, typename T>
void BackwardMasks(const Geometry& geometry, const Inputs<F, T>& inputs,
                   const F* grad_out, T* grad_masks, const Parallel& parallel) {
  const VectorMath<F, T>& math = FastestVectorMath<F, T>();
  const int64_t size = geometry.size, channels = geometry.channels;
  const int64_t height = geometry.mask_height, width = geometry.mask_width;
  // Rows of the mask that one row of bins reads. Neighbours share some: each row of
  // bins sums into rows of its own first.
  const int64_t part_rows = std::min(height, height / size + 3);
  std::vector<T> parts(geometry.num_rois * size * part_rows * width, T(0));
  const auto first_row = [&](const BoxFrame& frame, int64_t bin) {
    const int64_t row = ReadMask<T>(bin * frame.y.samples, size * frame.y.samples,
                                    height).low;
    return std::min(row, height - part_rows);
  };
  const std::vector<BinRow> order = OrderedBinRows(geometry, inputs);
  parallel(order.size(), BinRowCost(geometry), [&](int64_t begin, int64_t end) {
    BinRowSampler<F, T> sampler(geometry, inputs);
    Terms<T> terms;
    std::vector<T> dots, products, line, wide(std::is_same_v<F, T> ? 0 : channels);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t unit = order[i].roi * size + order[i].bin;
      sampler.Load(order[i].roi, order[i].bin);
      const size_t columns = sampler.columns().size();
      products.resize(sampler.rows().size() * columns);
      for (int64_t w = 0; w < size; ++w) {
        sampler.NextBin(w, &terms);
        dots.resize(terms.offsets.size());
        const F* stored = grad_out + (unit * size + w) * channels;
        const T* grad = wide.data();
        if constexpr (std::is_same_v<F, T>) {
          grad = stored;
        } else {
          math.widen(wide.data(), stored, channels);
        }
        math.dots(grad, sampler.image(), terms.offsets.data(), terms.offsets.size(),
                  channels, dots.data());
        sampler.Scatter(dots, &products);
      }
      const BoxFrame& frame = sampler.frame();
      const T scale = T(1) / static_cast<T>(frame.y.samples * frame.x.samples);
      T* part = parts.data() + unit * part_rows * width;
      for (size_t a = 0; a < sampler.rows().size(); ++a) {
        line.assign(width, T(0));
        for (size_t b = 0; b < columns; ++b) {
          const Reading<T> at = ReadMask<T>(sampler.columns()[b].sample,
                                            size * frame.x.samples, width);
          const T value = scale * products[a * columns + b];
          line[at.low] += at.low_weight * value;
          line[at.high] += at.high_weight * value;
        }
        const Reading<T> at =
            ReadMask<T>(sampler.rows()[a].sample, size * frame.y.samples, height);
        T* low = part + (at.low - first_row(frame, order[i].bin)) * width;
        T* high = part + (at.high - first_row(frame, order[i].bin)) * width;
        for (int64_t j = 0; j < width; ++j) {
          low[j] += at.low_weight * line[j];
          high[j] += at.high_weight * line[j];
        }
      }
    }
  });
  const int64_t cells = height * width;
  parallel(geometry.num_rois, cells + size * part_rows * width,
           [&](int64_t begin, int64_t end) {
             for (int64_t m = begin; m < end; ++m) {
               T* mask = grad_masks + m * cells;
               std::fill(mask, mask + cells, T(0));
               const float stride = geometry.levels[inputs.levels[m]].stride;
               const BoxFrame frame = FrameOf(geometry, inputs.boxes + 4 * m, stride);
               for (int64_t h = 0; h < size; ++h) {
                 T* to = mask + first_row(frame, h) * width;
                 const T* part = parts.data() + (m * size + h) * part_rows * width;
                 for (int64_t j = 0; j < part_rows * width; ++j) to[j] += part[j];
               }
             }
           });
}

#define TFMASK_INSTANTIATE(F, T)                                                      \
  template void Forward<F, T>(const Geometry&, const Inputs<F, T>&, F*,               \
                              const Parallel&);                                       \
  template void BackwardMasks<F, T>(const Geometry&, const Inputs<F, T>&, const F*, T*, \
                                    const Parallel&);
TFMASK_INSTANTIATE(float, float)
TFMASK_INSTANTIATE(double, double)
TFMASK_INSTANTIATE(BFloat16, float)
TFMASK_INSTANTIATE(Half, float)
#undef TFMASK_INSTANTIATE

}  // namespace tfmask
