// Coroutines for the threads of a block; see cuda_runtime.h.
#include "cuda_runtime.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <random>
#include <vector>

namespace emulation {
namespace {

constexpr size_t kStack = 128 * 1024;
constexpr unsigned kWarp = 32;

enum class State { kReady, kWaiting, kDone };

struct Thread {
  ucontext_t context;  // the start; from then on a jump, which spares a system call
  jmp_buf jump;
  bool started;
  std::vector<char> stack;
  State state;
  Place place;
};

int order_seed = 0;
std::vector<Thread> threads;
jmp_buf scheduler;
unsigned current;
const std::function<void()>* current_work;

void Main() {
  (*current_work)();
  threads[current].state = State::kDone;
  _longjmp(scheduler, 1);
}

// Runs a thread until it waits or is done.
void Resume(unsigned t) {
  current = t;
  threadIdx = dim3(t, 0, 0);
  if (_setjmp(scheduler) != 0) return;
  if (threads[t].started) _longjmp(threads[t].jump, 1);
  threads[t].started = true;
  setcontext(&threads[t].context);
}

// 0: ascending, 1: descending, else shuffled.
std::vector<unsigned> Order(unsigned count, std::mt19937* random) {
  std::vector<unsigned> order(count);
  std::iota(order.begin(), order.end(), 0u);
  if (order_seed == 1) std::reverse(order.begin(), order.end());
  if (order_seed > 1) std::shuffle(order.begin(), order.end(), *random);
  return order;
}

bool WaitsAt(const Thread& thread, Place place) {
  return thread.state == State::kWaiting && thread.place == place;
}

// Lets go on the threads [begin, end) if all wait at one place.
bool Release(unsigned begin, unsigned end, bool block) {
  const Place place = threads[begin].place;
  if ((place == Place::kBlock) != block) return false;
  for (unsigned t = begin; t < end; ++t) {
    if (!WaitsAt(threads[t], place)) return false;
  }
  for (unsigned t = begin; t < end; ++t) threads[t].state = State::kReady;
  return true;
}

// Runs a warp until it waits for the other warps: as far ahead of them as it can get.
void RunWarp(unsigned begin, unsigned end, std::mt19937* random) {
  do {
    for (unsigned lane : Order(end - begin, random)) {
      if (threads[begin + lane].state == State::kReady) Resume(begin + lane);
    }
  } while (Release(begin, end, false));
}

bool RunBlock(unsigned count, std::mt19937* random) {
  for (unsigned t = 0; t < count; ++t) {
    Thread& thread = threads[t];
    thread.state = State::kReady;
    thread.started = false;
    thread.stack.resize(kStack);
    getcontext(&thread.context);
    thread.context.uc_stack.ss_sp = thread.stack.data();
    thread.context.uc_stack.ss_size = kStack;
    thread.context.uc_link = nullptr;
    makecontext(&thread.context, Main, 0);
  }
  const unsigned warps = (count + kWarp - 1) / kWarp;
  do {
    for (unsigned warp : Order(warps, random)) {
      RunWarp(warp * kWarp, std::min(warp * kWarp + kWarp, count), random);
    }
  } while (Release(0, count, true));
  return std::all_of(threads.begin(), threads.begin() + count,
                     [](const Thread& t) { return t.state == State::kDone; });
}

}  // namespace

void Wait(Place place) {
  threads[current].state = State::kWaiting;
  threads[current].place = place;
  if (_setjmp(threads[current].jump) == 0) _longjmp(scheduler, 1);
}

cudaError_t Run(dim3 grid, dim3 block, const std::function<void()>& work) {
  const uint64_t blocks = uint64_t{grid.x} * grid.y * grid.z;
  if (blocks == 0 || grid.x > INT32_MAX || grid.y > 65535 || grid.z > 65535 ||
      block.x == 0 || block.x > 1024 || block.y != 1 || block.z != 1) {
    return cudaErrorInvalidConfiguration;
  }
  std::mt19937 random(order_seed);
  if (threads.size() < block.x) threads = std::vector<Thread>(block.x);
  current_work = &work;
  gridDim = grid;
  blockDim = block;
  for (unsigned b : Order(static_cast<unsigned>(blocks), &random)) {
    blockIdx = dim3(b % grid.x, b / grid.x % grid.y, b / grid.x / grid.y);
    if (!RunBlock(block.x, &random)) {
      std::fprintf(stderr, "emulation: threads of block %u wait for each other\n", b);
      return cudaErrorLaunchFailure;
    }
  }
  return cudaSuccess;
}

}  // namespace emulation

// Order of threads and blocks from now on. 0: ascending, 1: descending, else shuffled.
extern "C" void tfmask_emulation_order(int seed) { emulation::order_seed = seed; }
