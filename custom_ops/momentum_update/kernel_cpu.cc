// The update of all weights on the CPU: two passes over them, in chunks.
#include "kernel.h"

#include <algorithm>

namespace tfmask {
namespace momentum_update {
namespace {

constexpr int64_t kSumCost = 2000, kUpdateCost = 8000;  // nanoseconds of a chunk
constexpr int kLanes = 16;

struct Chunk {
  size_t weight;
  int64_t begin, end;
};

std::vector<Chunk> ChunksOf(const std::vector<Weight>& weights) {
  std::vector<Chunk> chunks;
  for (size_t w = 0; w < weights.size(); ++w) {
    for (int64_t begin = 0; begin < weights[w].size; begin += kChunk) {
      chunks.push_back({w, begin, std::min(begin + kChunk, weights[w].size)});
    }
  }
  return chunks;
}

// One addition would wait for the one before it: so many sums side by side.
double SumOfSquares(const float* gradient, int64_t count, float loss_scale) {
  float lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int lane = 0; lane < kLanes; ++lane) {
      const float g = gradient[i + lane] / loss_scale;
      lanes[lane] += g * g;
    }
  }
  double sum = 0;
  for (float lane : lanes) sum += lane;
  for (; i < count; ++i) {
    const float g = gradient[i] / loss_scale;
    sum += g * g;
  }
  return sum;
}

void UpdateChunk(const Weight& weight, const Chunk& chunk, const Rule& rule,
                 const Step& step) {
  const float* __restrict__ gradient = weight.gradient;
  float* __restrict__ values = weight.weight;
  float* __restrict__ velocity = weight.velocity;
  const Rule own_rule = rule;  // in registers: the arrays cannot change them
  const Step own_step = step;
  const Share share = weight.share;
  for (int64_t i = chunk.begin; i < chunk.end; ++i) {
    UpdateOne(own_rule, own_step, share, gradient[i], values + i, velocity + i);
  }
}

}  // namespace

bool Update(const std::vector<Weight>& weights, const Rule& rule, float rate,
            float loss_scale, const float* values, int64_t num_values, float* norms,
            const Parallel& threads) {
  const std::vector<Chunk> chunks = ChunksOf(weights);
  std::vector<double> sums(chunks.size());
  threads(chunks.size(), kSumCost, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const Chunk& chunk = chunks[c];
      sums[c] = SumOfSquares(weights[chunk.weight].gradient + chunk.begin,
                             chunk.end - chunk.begin, loss_scale);
    }
  });
  std::vector<double> squares(weights.size());
  for (size_t c = 0; c < chunks.size(); ++c) squares[chunks[c].weight] += sums[c];
  double all = 0;
  bool finite = true;
  for (size_t w = 0; w < weights.size(); ++w) {
    norms[w] = HalfSquare(squares[w]);
    all += norms[w];
    finite = finite && IsFinite(norms[w]);
  }
  for (int64_t i = 0; i < num_values; ++i) finite = finite && IsFinite(values[i]);
  if (!finite) return false;
  const Step step = {rate, loss_scale, ClipOf(all, rule.clip_norm)};
  threads(chunks.size(), kUpdateCost, [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      UpdateChunk(weights[chunks[c].weight], chunks[c], rule, step);
    }
  });
  return true;
}

}  // namespace momentum_update
}  // namespace tfmask
