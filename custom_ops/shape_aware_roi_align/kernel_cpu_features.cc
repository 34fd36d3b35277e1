// The gradient of the features: every cell collects its terms from the bins that read it.
#include <algorithm>
#include <type_traits>

#include "../common/vector_math.h"
#include "kernel.h"
#include "sampling.h"

namespace tfmask {
namespace {

// Boxes that read a tile of a map are few, and their gradients stay in the cache.
constexpr int64_t kTileRows = 16;
constexpr int64_t kTileColumns = 32;

struct Tile {
  int64_t level, image;
  Span rows, columns;
  std::vector<int64_t> rois;
};

template <typename F, typename T>
std::vector<Tile> TilesWithRois(const Geometry& geometry, const Inputs<F, T>& inputs) {
  const int64_t num_levels = geometry.levels.size();
  std::vector<Tile> tiles;
  std::vector<int64_t> first_tile, tiles_across;
  for (int64_t l = 0; l < num_levels; ++l) {
    const Level& map = geometry.levels[l];
    tiles_across.push_back((map.width + kTileColumns - 1) / kTileColumns);
    for (int64_t b = 0; b < geometry.batch; ++b) {
      first_tile.push_back(tiles.size());
      for (int64_t y = 0; y < map.height; y += kTileRows) {
        for (int64_t x = 0; x < map.width; x += kTileColumns) {
          tiles.push_back({l,
                           b,
                           {y, std::min(y + kTileRows, map.height)},
                           {x, std::min(x + kTileColumns, map.width)},
                           {}});
        }
      }
    }
  }
  for (int64_t m = 0; m < geometry.num_rois; ++m) {
    const int64_t l = inputs.levels[m];
    const Level& map = geometry.levels[l];
    const BoxFrame frame = FrameOf(geometry, inputs.boxes + 4 * m, map.stride);
    const Span rows = SpanOf(frame.y, map.height);
    const Span columns = SpanOf(frame.x, map.width);
    if (rows.begin >= rows.end || columns.begin >= columns.end) continue;
    const int64_t first = first_tile[l * geometry.batch + inputs.batch_indices[m]];
    for (int64_t y = rows.begin / kTileRows; y <= (rows.end - 1) / kTileRows; ++y) {
      for (int64_t x = columns.begin / kTileColumns;
           x <= (columns.end - 1) / kTileColumns; ++x) {
        tiles[first + y * tiles_across[l] + x].rois.push_back(m);
      }
    }
  }
  return tiles;
}

// Which samples read each cell of one axis, within a tile.
template <typename T>
class CellReaders {
 public:
  struct Reader {
    int64_t index;  // of the reading
    T weight;
  };

  // Keeps the readings that touch the span, and lists them by cell.
  void Load(const Span& span, std::vector<Reading<T>>* readings) {
    const auto outside = [&](const Reading<T>& r) {
      return r.high < span.begin || r.low >= span.end;
    };
    readings->erase(std::remove_if(readings->begin(), readings->end(), outside),
                    readings->end());
    starts_.assign(span.end - span.begin + 1, 0);
    const auto each = [&](const auto& visit) {
      for (size_t i = 0; i < readings->size(); ++i) {
        const Reading<T>& r = (*readings)[i];
        if (r.low >= span.begin) visit(r.low - span.begin, i, r.low_weight);
        if (r.high < span.end) visit(r.high - span.begin, i, r.high_weight);
      }
    };
    each([&](int64_t cell, int64_t, T) { ++starts_[cell + 1]; });
    for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
    readers_.resize(starts_.back());
    next_ = starts_;
    each([&](int64_t cell, int64_t i, T weight) {
      readers_[next_[cell]++] = {i, weight};
    });
  }

  const Reader* begin(int64_t cell) const { return readers_.data() + starts_[cell]; }
  const Reader* end(int64_t cell) const { return readers_.data() + starts_[cell + 1]; }

 private:
  std::vector<int64_t> starts_, next_;
  std::vector<Reader> readers_;
};

// Sums the gradients of boxes in the cells of a tile. The terms of all boxes are listed
// by cell first, so that each cell is written once.
template <typename F, typename T>
class TileGradient {
 public:
  TileGradient(const Geometry& geometry, const Inputs<F, T>& inputs, const F* grad_out)
      : geometry_(geometry), inputs_(inputs), grad_out_(grad_out) {}

  // image: the level's map of the tile's image.
  void Compute(const Tile& tile, F* image) {
    const int64_t channels = geometry_.channels;
    const int64_t width = geometry_.levels[tile.level].width;
    F* first = image + (tile.rows.begin * width + tile.columns.begin) * channels;
    if constexpr (std::is_same_v<F, T>) {
      Compute(tile, first, width * channels);
    } else {
      // Summed in the wide type, and rounded once.
      const int64_t line = (tile.columns.end - tile.columns.begin) * channels;
      wide_.resize((tile.rows.end - tile.rows.begin) * line);
      Compute(tile, wide_.data(), line);
      for (int64_t y = 0; y < tile.rows.end - tile.rows.begin; ++y) {
        math_.narrow(first + y * width * channels, wide_.data() + y * line, line);
      }
    }
  }

 private:
  // A list of terms that stays in the cache.
  static constexpr size_t kMaxTerms = 1 << 15;

  struct Term {
    int64_t cell;    // in the tile
    int64_t offset;  // of the bin in the gradient
    T weight;
  };

  // sums: the tile's first cell, rows of cells `stride` apart.
  void Compute(const Tile& tile, T* sums, int64_t stride) {
    bool written = false;
    for (int64_t roi : tile.rois) {
      Collect(tile, roi);
      if (terms_.size() < kMaxTerms) continue;
      Sum(tile, sums, stride, written);
      written = true;
    }
    if (!written || !terms_.empty()) Sum(tile, sums, stride, written);
  }

  void Collect(const Tile& tile, int64_t roi) {
    const int64_t size = geometry_.size;
    const Level& map = geometry_.levels[tile.level];
    const BoxFrame frame = FrameOf(geometry_, inputs_.boxes + 4 * roi, map.stride);
    ReadFeatures(frame.y, size, map.height, 0, size * frame.y.samples, &rows_);
    ReadFeatures(frame.x, size, map.width, 0, size * frame.x.samples, &columns_);
    row_readers_.Load(tile.rows, &rows_);
    column_readers_.Load(tile.columns, &columns_);
    const T* mask = inputs_.masks;
    if (mask != nullptr) mask += roi * geometry_.mask_height * geometry_.mask_width;
    masks_.Fill(mask, geometry_, frame, rows_, columns_);
    const int64_t width = tile.columns.end - tile.columns.begin;
    for (int64_t y = 0; y < tile.rows.end - tile.rows.begin; ++y) {
      SumRows(frame, y);
      for (int64_t x = 0; x < width; ++x) ListBins(roi, frame, x, y * width + x);
    }
  }

  // The rows of bins that read a row of cells, and for each the weights of its samples.
  void SumRows(const BoxFrame& frame, int64_t y) {
    const size_t count = columns_.size();
    bins_.clear();
    across_.clear();
    for (auto r = row_readers_.begin(y); r != row_readers_.end(y); ++r) {
      const int64_t bin = rows_[r->index].sample / frame.y.samples;
      if (bins_.empty() || bins_.back() != bin) {
        bins_.push_back(bin);
        across_.resize(across_.size() + count, T(0));
      }
      const T* values = masks_.Row(r->index);
      T* sums = across_.data() + (bins_.size() - 1) * count;
      for (size_t j = 0; j < count; ++j) sums[j] += r->weight * values[j];
    }
  }

  // The bins that read a cell of that row.
  void ListBins(int64_t roi, const BoxFrame& frame, int64_t x, int64_t cell) {
    const int64_t size = geometry_.size;
    for (size_t i = 0; i < bins_.size(); ++i) {
      const T* values = across_.data() + i * columns_.size();
      const int64_t first = (roi * size + bins_[i]) * size;
      int64_t last = -1;
      for (auto r = column_readers_.begin(x); r != column_readers_.end(x); ++r) {
        const int64_t bin = columns_[r->index].sample / frame.x.samples;
        if (bin != last) {
          terms_.push_back({cell, (first + bin) * geometry_.channels, T(0)});
          last = bin;
        }
        terms_.back().weight += r->weight * values[r->index];
      }
    }
  }

  // Writes all cells, or adds to those that have terms.
  void Sum(const Tile& tile, T* sums, int64_t stride, bool add) {
    const int64_t channels = geometry_.channels;
    const int64_t width = tile.columns.end - tile.columns.begin;
    starts_.assign((tile.rows.end - tile.rows.begin) * width + 1, 0);
    for (const Term& term : terms_) ++starts_[term.cell + 1];
    for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
    next_ = starts_;
    sorted_.offsets.resize(terms_.size());
    sorted_.weights.resize(terms_.size());
    for (const Term& term : terms_) {
      const int64_t at = next_[term.cell]++;
      sorted_.offsets[at] = term.offset;
      sorted_.weights[at] = term.weight;
    }
    terms_.clear();
    for (size_t cell = 0; cell + 1 < starts_.size(); ++cell) {
      const int64_t begin = starts_[cell], count = starts_[cell + 1] - begin;
      if (add && count == 0) continue;
      T* to = sums + cell / width * stride + cell % width * channels;
      math_.weighted_sum(to, grad_out_,
                         sorted_.offsets.data() + begin,
                         sorted_.weights.data() + begin, count, channels, add);
    }
  }

  const Geometry& geometry_;
  const Inputs<F, T>& inputs_;
  const F* grad_out_;
  const VectorMath<F, T>& math_ = FastestVectorMath<F, T>();
  std::vector<T> wide_;
  std::vector<Reading<T>> rows_, columns_;
  CellReaders<T> row_readers_, column_readers_;
  MaskGrid<T> masks_;
  std::vector<int64_t> bins_;
  std::vector<T> across_;
  std::vector<Term> terms_;
  std::vector<int64_t> starts_, next_;
  Terms<T> sorted_;
};

}  // namespace

template <typename F, typename T>
void BackwardFeatures(const Geometry& geometry, const Inputs<F, T>& inputs,
                      const F* grad_out, const std::vector<F*>& grad_features,
                      const Parallel& parallel) {
  const std::vector<Tile> tiles = TilesWithRois(geometry, inputs);
  int64_t visits = 0;
  for (const Tile& tile : tiles) visits += tile.rois.size();
  const int64_t cells = kTileRows * kTileColumns * geometry.channels;
  const int64_t mean_visits = visits / std::max<int64_t>(tiles.size(), 1) + 1;
  parallel(tiles.size(), cells / 16 * mean_visits, [&](int64_t begin, int64_t end) {
    TileGradient<F, T> gradient(geometry, inputs, grad_out);
    for (int64_t i = begin; i < end; ++i) {
      const Level& map = geometry.levels[tiles[i].level];
      const int64_t image_size = map.height * map.width * geometry.channels;
      gradient.Compute(tiles[i],
                       grad_features[tiles[i].level] + tiles[i].image * image_size);
    }
  });
}

#define TFMASK_INSTANTIATE(F, T)                                     \
  template void BackwardFeatures<F, T>(                              \
      const Geometry&, const Inputs<F, T>&, const F*, const std::vector<F*>&, \
      const Parallel&);
TFMASK_INSTANTIATE(float, float)
TFMASK_INSTANTIATE(double, double)
TFMASK_INSTANTIATE(BFloat16, float)
TFMASK_INSTANTIATE(Half, float)
#undef TFMASK_INSTANTIATE

}  // namespace tfmask
