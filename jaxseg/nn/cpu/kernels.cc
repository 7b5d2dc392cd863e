// Convolutions of float32 NHWC images for CPUs, called by XLA through its FFI.
//
// One product held in registers does all the work: kRows pixels times kVectors vectors
// of output channels, summed over taps and input channels.  (For weight gradients it is
// kRows input channels times output channels, summed over pixels.)  Images are read in
// place; only weights are packed.  Taps outside of the image are skipped, so padding,
// strides and dilation cost nothing.  3x3 kernels of stride 1 are computed by Winograd's
// F(2x2, 3x3), with 16 products instead of 36.
//
// The order of every sum is the same for any number of threads.

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "xla/ffi/api/ffi.h"

namespace {

namespace ffi = xla::ffi;
using Image = ffi::Buffer<ffi::F32, 4>;
using Channels = ffi::Buffer<ffi::F32, 1>;
using Scratch = ffi::Buffer<ffi::F32, 1>;
using Pair = ffi::Span<const int64_t>;
using Sizes = ffi::Span<const int64_t>;  // of an array

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif
constexpr int kRows = 8;
constexpr int kVectors = 2;
constexpr int kColumns = kVectors * kLanes;
constexpr int64_t kDepth = 576;    // taps times channels that a product sums at once
constexpr int64_t kBand = 256;     // output pixels of a task
constexpr int64_t kSegment = 128;  // pixels that a weight gradient sums in registers
constexpr int64_t kTiles = 32;     // tiles of a task
constexpr int64_t kTileSums = 64;  // tiles that a weight gradient sums in registers
constexpr int64_t kChunk = 32;     // least input channels of a weight gradient's task
constexpr int64_t kFewest = 128;   // least pixels for which tiles are used
constexpr int64_t kMostChannels = 4096;  // most channels of images cut into tiles
constexpr int64_t kPoints = 16;    // products of a tile, channel and output
constexpr int64_t kLines = 16;     // output lines that a depthwise task sums
constexpr int64_t kPixels = 2048;  // pixels that a batch normalisation task sums

typedef float Vector __attribute__((vector_size(kLanes * 4), aligned(4), may_alias));

inline Vector Load(const float* from) { return *(const Vector*)from; }
inline void Store(float* to, Vector value) { *(Vector*)to = value; }

// The same for the first `lanes` only; the others are read as 0.
inline Vector Load(const float* from, int64_t lanes) {
  if (lanes == kLanes) return Load(from);
#if defined(__AVX512F__)
  return (Vector)_mm512_maskz_loadu_ps((1u << lanes) - 1, from);
#else
  Vector value = {};
  for (int64_t k = 0; k < lanes; k++) value[k] = from[k];
  return value;
#endif
}
inline void Store(float* to, Vector value, int64_t lanes) {
  if (lanes == kLanes) return Store(to, value);
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(to, (1u << lanes) - 1, (__m512)value);
#else
  for (int64_t k = 0; k < lanes; k++) to[k] = value[k];
#endif
}

// Write past the caches, for values that would be evicted before their next use.  Call
// `Settle` before another thread reads them.
inline void Stream(float* to, Vector value) {
#if defined(__AVX512F__)
  if (uintptr_t(to) % 64 == 0) return _mm512_stream_ps(to, (__m512)value);
#endif
  Store(to, value);
}
inline void Settle() {
#if defined(__AVX512F__)
  _mm_sfence();
#endif
}

inline int64_t Parts(int64_t total, int64_t unit) { return (total + unit - 1) / unit; }

const float kZeros[kMostChannels] = {};

// An error if scratch memory holds fewer floats than will be written to it.
ffi::Error Enough(Scratch scratch, int64_t needed) {
  int64_t size = scratch.element_count();
  if (size >= needed) return ffi::Error::Success();
  return ffi::Error::InvalidArgument("jaxseg: scratch memory holds " +
                                     std::to_string(size) + " floats, " +
                                     std::to_string(needed) + " are needed");
}

// An error if operands and results do not fit the same operation.
ffi::Error Agree(bool sizes) {
  if (sizes) return ffi::Error::Success();
  return ffi::Error::InvalidArgument("jaxseg: the sizes of the arrays do not agree");
}

// A thread's own memory, aligned to a cache line.
float* Workspace(int64_t size) {
  thread_local std::vector<float> space;
  if (int64_t(space.size()) < size + 16) space.resize(size + 16);
  return reinterpret_cast<float*>((uintptr_t(space.data()) + 63) / 64 * 64);
}

// Call work(i) for each i < count, on this thread and on those of the pool.
template <typename Work>
void ParallelFor(ffi::ThreadPool& pool, int64_t count, const Work& work) {
  struct State {
    std::atomic<int64_t> next{0};
    int64_t done = 0;
    std::mutex mutex;
    std::condition_variable finished;
  };
  int64_t helpers = std::min<int64_t>(pool.num_threads(), count) - 1;
  if (helpers <= 0) {
    for (int64_t i = 0; i < count; i++) work(i);
    return;
  }
  auto state = std::make_shared<State>();
  // A thread that starts late finds no task left, and does not touch `work`.
  auto take = [state, count, &work] {
    int64_t mine = 0;
    for (int64_t i; (i = state->next.fetch_add(1)) < count; mine++) work(i);
    if (mine == 0) return;
    std::lock_guard<std::mutex> lock(state->mutex);
    if ((state->done += mine) == count) state->finished.notify_one();
  };
  for (int64_t i = 0; i < helpers; i++) pool.Schedule(decltype(take)(take));
  take();
  std::unique_lock<std::mutex> lock(state->mutex);
  state->finished.wait(lock, [&] { return state->done == count; });
}

// sums[p] += sum over c of x[p][c] * w[c], where w is [channels][kColumns].  With one
// vector, odd channels are summed separately, or each sum would wait for the one before.
template <int vectors>
inline __attribute__((always_inline)) void Multiply(const float* const (&pixels)[kRows],
                                                    const float* w, int64_t channels,
                                                    Vector (&sums)[kRows][kVectors]) {
  constexpr int kSteps = kVectors / vectors;
  const float* x[kRows];
  for (int p = 0; p < kRows; p++) x[p] = pixels[p];
  auto step = [&](int64_t c, int which) __attribute__((always_inline)) {
    Vector b[vectors];
    for (int j = 0; j < vectors; j++) b[j] = Load(w + kLanes * j);
#pragma GCC unroll 8
    for (int p = 0; p < kRows; p++)
      for (int j = 0; j < vectors; j++) sums[p][which + j] += x[p][c] * b[j];
    w += kColumns;
  };
  int64_t c = 0;
  for (; c + kSteps <= channels; c += kSteps)
    for (int s = 0; s < kSteps; s++) step(c + s, s);
  for (; c < channels; c++) step(c, 0);
}

template <int vectors>
inline void Gather(const Vector (&sums)[kVectors], Vector (&total)[vectors]) {
  for (int j = 0; j < vectors; j++) total[j] = sums[j];
  if (vectors < kVectors) total[0] += sums[1];
}

// sums[m] += sum over pixels of x[m] * g, where x is every `step` floats.
template <int rows, int vectors>
inline __attribute__((always_inline)) void Correlate(const float* x, const float* g,
                                                     int64_t pixels, int64_t step,
                                                     Vector (&sums)[kRows][kVectors]) {
  for (int64_t p = 0; p < pixels; p++, x += step, g += kColumns) {
    Vector b[vectors];
    for (int j = 0; j < vectors; j++) b[j] = Load(g + kLanes * j);
#pragma GCC unroll 8
    for (int m = 0; m < rows; m++)
      for (int j = 0; j < vectors; j++) sums[m][j] += x[m] * b[j];
  }
}

// The epilogue of a convolution: out * scale + offset + residual, then a ReLU.
struct Epilogue {
  const float* scale = nullptr;   // [outputs]; null: there is no epilogue
  const float* offset = nullptr;  // [outputs]
  const float* residual = nullptr;    // of the output's shape, or null
  bool relu = false;

  // Apply to outputs o.., which are at `place` in the output.
  Vector operator()(Vector value, int64_t o, int64_t place, int64_t lanes) const {
    if (!scale) return value;
    value = value * Load(scale + o, lanes) + Load(offset + o, lanes);
    if (residual) value += Load(residual + place, lanes);
    if (relu) value = value < 0 ? Vector{} : value;  // NaN stays
    return value;
  }
};

struct Tap {
  int64_t y, x;   // offset of the input pixel
  int64_t index;  // in the kernel, row by row
};

std::vector<Tap> Taps(int64_t rows, int64_t columns, Pair padding, Pair rates) {
  std::vector<Tap> taps;
  for (int64_t y = 0; y < rows; y++)
    for (int64_t x = 0; x < columns; x++)
      taps.push_back(
          {y * rates[0] - padding[0], x * rates[1] - padding[1], y * columns + x});
  return taps;
}

// ---- Products over the taps: any kernel, stride and rate ----

// out[offset + spacing * p] = sum over taps of in[stride * p + tap] * kernel[tap]
struct Plan {
  int64_t batch, height, width, channels;    // of the input
  int64_t rows, columns;                     // of the pixels p
  int64_t full_height, full_width, outputs;  // of the output
  int64_t stride[2], spacing[2], offset[2];
  std::vector<Tap> taps;    // row by row
  int64_t depth = 0;        // channels that a product sums at once
  int64_t lines = 1;        // number of rows with the pixels of a product
  float* panels = nullptr;  // [blocks][channels / depth][taps][depth][kColumns]

  int64_t pixels() const { return batch * rows * columns; }
  int64_t blocks() const { return Parts(outputs, kColumns); }
  int64_t panel_size() const { return taps.size() * channels * kColumns; }

  // Drop taps that are outside for every pixel; choose the depth by those inside.
  void Prepare() {
    std::vector<Tap> reached;
    int64_t covered = 0;
    for (const Tap& tap : taps) {
      int64_t down = 0, across = 0;
      for (int64_t y = 0; y < rows; y++) down += inside(y * stride[0] + tap.y, 0);
      for (int64_t x = 0; x < columns; x++) across += inside(0, x * stride[1] + tap.x);
      if (down * across == 0) continue;
      reached.push_back(tap);
      covered += down * across;
    }
    taps = std::move(reached);
    int64_t used = std::max<int64_t>(1, Parts(covered, rows * columns));
    depth = std::max<int64_t>(16, kDepth / used);
    // Pixels of a square have the same taps inside more often than those of a line.
    if (taps.size() > 1 && rows % 2 == 0) lines = 2;
  }

  bool inside(int64_t y, int64_t x) const {
    return uint64_t(y) < uint64_t(height) && uint64_t(x) < uint64_t(width);
  }
  // Whether all taps of the pixel at (y, x) lie inside.
  bool inner(int64_t y, int64_t x) const {
    if (taps.empty()) return true;
    const Tap &one = taps.front(), &other = taps.back();
    return inside(y + one.y, x + one.x) && inside(y + other.y, x + other.x);
  }
};

// The kernel is [taps][channels][outputs], or [taps][outputs][channels] if transposed.
void Pack(const Plan& plan, const float* kernel, bool transposed, int64_t block) {
  float* to = plan.panels + block * plan.panel_size();
  int64_t o = block * kColumns;
  int64_t outputs = std::min<int64_t>(kColumns, plan.outputs - o);
  for (int64_t c0 = 0; c0 < plan.channels; c0 += plan.depth) {
    int64_t channels = std::min(plan.depth, plan.channels - c0);
    for (const Tap& tap : plan.taps) {
      const float* from = kernel + tap.index * plan.channels * plan.outputs;
      if (outputs < kColumns) memset(to, 0, channels * kColumns * sizeof(float));
      if (transposed) {
        for (int64_t c = 0; c < channels; c += 16)
          for (int64_t k = 0; k < outputs; k++)
            for (int64_t i = c; i < std::min(c + 16, channels); i++)
              to[i * kColumns + k] = from[(o + k) * plan.channels + c0 + i];
      } else {
        for (int64_t i = 0; i < channels; i++)
          memcpy(to + i * kColumns, from + (c0 + i) * plan.outputs + o,
                 outputs * sizeof(float));
      }
      to += channels * kColumns;
    }
  }
}

// Compute pixels low..high of a block of outputs from input channels c0...
template <int vectors>
void Compute(const Plan& plan, const float* in, float* out, const Epilogue& epilogue,
             int64_t block, int64_t c0, int64_t low, int64_t high) {
  int64_t channels = std::min(plan.depth, plan.channels - c0);
  bool last = c0 + channels == plan.channels;
  const float* panel =
      plan.panels + block * plan.panel_size() + c0 * plan.taps.size() * kColumns;
  int64_t o = block * kColumns;
  int64_t outputs = std::min<int64_t>(kColumns, plan.outputs - o);
  // Pixels are counted down, then across, then by bands of `lines` rows.
  int64_t at = low / plan.lines, below = low % plan.lines;
  int64_t column = at % plan.columns, band = at / plan.columns * plan.lines;
  int64_t top = band % plan.rows, image = band / plan.rows;
  for (int64_t p = low; p < high; p += kRows) {
    int64_t count = std::min<int64_t>(kRows, high - p);
    int64_t y[kRows], x[kRows], place[kRows];
    const float* from[kRows];
    bool inner = true;
    for (int i = 0; i < kRows; i++) {
      if (i >= count) {  // computed with the others, not written
        y[i] = y[i - 1], x[i] = x[i - 1], from[i] = from[i - 1];
        continue;
      }
      int64_t row = top + below;
      y[i] = row * plan.stride[0], x[i] = column * plan.stride[1];
      from[i] =
          in + ((image * plan.height + y[i]) * plan.width + x[i]) * plan.channels + c0;
      int64_t out_row = row * plan.spacing[0] + plan.offset[0];
      int64_t out_column = column * plan.spacing[1] + plan.offset[1];
      place[i] = ((image * plan.full_height + out_row) * plan.full_width + out_column) *
                     plan.outputs +
                 o;
      inner &= plan.inner(y[i], x[i]);
      if (++below < plan.lines) continue;
      below = 0;
      if (++column < plan.columns) continue;
      column = 0;
      if ((top += plan.lines) < plan.rows) continue;
      top = 0, image++;
    }
    // Prefetch the output and the residual while the product is computed.
    bool streams = last && epilogue.residual;
    for (int i = 0; i < count; i++)
      for (int64_t k = 0; k < outputs; k += 16) {
        if (streams)
          __builtin_prefetch(epilogue.residual + place[i] + k);
        else
          __builtin_prefetch(out + place[i] + k, 1);
      }
    Vector sums[kRows][kVectors] = {};
    const float* w = panel;
    for (const Tap& tap : plan.taps) {
      int64_t shift = (tap.y * plan.width + tap.x) * plan.channels;
      const float* pixels[kRows];
      bool any = inner;
      for (int i = 0; i < kRows; i++) {
        bool inside = inner || plan.inside(y[i] + tap.y, x[i] + tap.x);
        pixels[i] = inside ? from[i] + shift : kZeros;
        any |= inside;
      }
      if (any) Multiply<vectors>(pixels, w, channels, sums);
      w += channels * kColumns;
    }
    for (int i = 0; i < count; i++) {
      Vector total[vectors];
      Gather<vectors>(sums[i], total);
      for (int j = 0; j < vectors; j++) {
        int64_t first = kLanes * j, lanes = std::min<int64_t>(kLanes, outputs - first);
        float* to = out + place[i] + first;
        if (c0) total[j] += Load(to, lanes);
        if (last) total[j] = epilogue(total[j], o + first, place[i] + first, lanes);
        if (streams && lanes == kLanes)
          Stream(to, total[j]);
        else
          Store(to, total[j], lanes);
      }
    }
  }
}

ffi::Error Run(ffi::ThreadPool& pool, std::vector<Plan>& plans, const float* in,
               const float* kernel, bool transposed, float* out, Scratch scratch,
               const Epilogue& epilogue = {}) {
  struct Task {
    const Plan* plan;
    int64_t first, last, low, high;
  };
  std::vector<Task> packing, computing;
  int64_t wanted = 4 * pool.num_threads();
  int64_t needed = 0;
  for (Plan& plan : plans) {
    plan.Prepare();
    plan.panels = scratch.typed_data() + needed;
    needed += plan.blocks() * plan.panel_size();
    for (int64_t block = 0; block < plan.blocks(); block++)
      packing.push_back({&plan, block, block + 1, 0, 0});
    int64_t bands = Parts(plan.pixels(), kBand);
    int64_t groups = std::clamp<int64_t>(wanted / bands, 1, plan.blocks());
    for (int64_t band = 0; band < bands; band++)
      for (int64_t group = 0; group < groups; group++)
        computing.push_back({&plan, plan.blocks() * group / groups,
                             plan.blocks() * (group + 1) / groups, band * kBand,
                             std::min((band + 1) * kBand, plan.pixels())});
  }
  ffi::Error enough = Enough(scratch, needed);
  if (enough.failure()) return enough;
  ParallelFor(pool, packing.size(), [&](int64_t i) {
    Pack(*packing[i].plan, kernel, transposed, packing[i].first);
  });
  ParallelFor(pool, computing.size(), [&](int64_t i) {
    const Task& task = computing[i];
    const Plan& plan = *task.plan;
    for (int64_t c = 0; c < plan.channels; c += plan.depth)
      for (int64_t block = task.first; block < task.last; block++) {
        bool half = plan.outputs - block * kColumns <= kLanes;
        (half ? Compute<1> : Compute<2>)(plan, in, out, epilogue, block, c, task.low,
                                         task.high);
      }
    Settle();
  });
  return ffi::Error::Success();
}

// The gradient of the weights: of each tap, sum over pixels of in[...] * gradient[...]
struct Correlation {
  const float *image, *gradient;
  int64_t batch, height, width, channels, rows, columns, outputs;
  int64_t stride[2];
  std::vector<Tap> taps;

  int64_t weights() const { return taps.size() * channels * outputs; }
};

// Add to sums [taps][channels][outputs], for one tap and block of outputs, the products
// of pixels in lines first..last, columns low..high; `packed` is their gradient.
template <int rows, int vectors>
void CorrelateTap(const Correlation& work, const Tap& tap, const float* packed,
                  int64_t first, int64_t last, int64_t low, int64_t high, int64_t c,
                  int64_t o, float* sums) {
  Vector acc[kRows][kVectors] = {};
  int64_t stride = work.stride[1];
  // Columns x whose pixel lies inside: 0 <= x * stride + tap.x < width.
  int64_t from = std::max(low, tap.x >= 0 ? 0 : Parts(-tap.x, stride));
  int64_t to =
      std::min(high, work.width <= tap.x ? 0 : Parts(work.width - tap.x, stride));
  if (from >= to) return;
  for (int64_t line = first; line < last; line++) {
    int64_t y = line % work.rows * work.stride[0] + tap.y;
    if (y < 0 || y >= work.height) continue;
    int64_t pixel = (line / work.rows * work.height + y) * work.width;
    const float* x = work.image + (pixel + from * stride + tap.x) * work.channels + c;
    const float* g = packed + ((line - first) * (high - low) + from - low) * kColumns;
    Correlate<rows, vectors>(x, g, to - from, stride * work.channels, acc);
  }
  int64_t outputs = std::min<int64_t>(kColumns, work.outputs - o);
  sums += (tap.index * work.channels + c) * work.outputs + o;
  for (int m = 0; m < rows; m++, sums += work.outputs) {
    for (int j = 0; j < vectors; j++) {
      int64_t lanes = std::min<int64_t>(kLanes, outputs - kLanes * j);
      float* to = sums + kLanes * j;
      Store(to, Load(to, lanes) + acc[m][j], lanes);
    }
  }
}

template <int rows>
void CorrelateRows(bool half, const Correlation& work, const Tap& tap,
                   const float* packed, int64_t first, int64_t last, int64_t low,
                   int64_t high, int64_t c, int64_t o, float* sums) {
  (half ? CorrelateTap<rows, 1> : CorrelateTap<rows, 2>)(work, tap, packed, first, last,
                                                         low, high, c, o, sums);
}

constexpr decltype(&CorrelateRows<1>) kCorrelate[] = {
    CorrelateRows<1>, CorrelateRows<2>, CorrelateRows<3>, CorrelateRows<4>,
    CorrelateRows<5>, CorrelateRows<6>, CorrelateRows<7>, CorrelateRows<8>};

// Add the products of lines first..last to the sums of channels c0...
void Sum(const Correlation& work, int64_t first, int64_t last, int64_t low,
         int64_t high, int64_t c0, int64_t c1, float* sums) {
  alignas(64) float packed[kSegment * kColumns];
  for (int64_t o = 0; o < work.outputs; o += kColumns) {
    int64_t outputs = std::min<int64_t>(kColumns, work.outputs - o);
    float* to = packed;
    for (int64_t line = first; line < last; line++)
      for (int64_t x = low; x < high; x++, to += kColumns) {
        const float* from =
            work.gradient + (line * work.columns + x) * work.outputs + o;
        memcpy(to, from, outputs * sizeof(float));
        if (outputs < kColumns)
          memset(to + outputs, 0, (kColumns - outputs) * sizeof(float));
      }
    for (int64_t c = c0; c < c1; c += kRows) {
      auto correlate = kCorrelate[std::min<int64_t>(kRows, c1 - c) - 1];
      for (const Tap& tap : work.taps)
        correlate(outputs <= kLanes, work, tap, packed, first, last, low, high, c, o,
                  sums);
    }
  }
}

// Channels of a task, so that there are two tasks or more for each thread.
int64_t Chunk(ffi::ThreadPool& pool, int64_t parts, int64_t channels) {
  int64_t chunks = Parts(2 * pool.num_threads(), parts);
  int64_t unit = std::max(kLanes, kRows);
  return std::max(kChunk, Parts(Parts(channels, chunks), unit) * unit);
}

// Each task sums over its part of the pixels; then the parts are added in order.
ffi::Error SumOverPixels(ffi::ThreadPool& pool, const Correlation& work, float* out,
                         Scratch scratch) {
  int64_t weights = work.weights(), parts = scratch.element_count() / weights;
  ffi::Error enough = Enough(scratch, weights);
  if (enough.failure()) return enough;
  int64_t chunk = Chunk(pool, parts, work.channels);
  int64_t chunks = Parts(work.channels, chunk);
  int64_t segment = std::min(work.columns, kSegment), band = kSegment / segment;
  int64_t lines = work.batch * work.rows, bands = Parts(lines, band);
  float* partial = parts > 1 ? scratch.typed_data() : out;
  ParallelFor(pool, parts * chunks, [&](int64_t i) {
    int64_t part = i / chunks, c = i % chunks * chunk;
    int64_t end = std::min(c + chunk, work.channels);
    float* sums = partial + part * weights;
    for (size_t tap = 0; tap < work.taps.size(); tap++)
      memset(sums + (tap * work.channels + c) * work.outputs, 0,
             (end - c) * work.outputs * sizeof(float));
    for (int64_t b = bands * part / parts; b < bands * (part + 1) / parts; b++)
      for (int64_t low = 0; low < work.columns; low += segment)
        Sum(work, b * band, std::min((b + 1) * band, lines), low,
            std::min(low + segment, work.columns), c, end, sums);
  });
  if (parts == 1) return ffi::Error::Success();
  constexpr int64_t kSlice = 4096;
  ParallelFor(pool, Parts(weights, kSlice), [&](int64_t i) {
    int64_t low = i * kSlice, high = std::min(low + kSlice, weights);
    memcpy(out + low, partial + low, (high - low) * sizeof(float));
    for (int64_t part = 1; part < parts; part++)
      for (int64_t at = low; at < high; at++) out[at] += partial[part * weights + at];
  });
  return ffi::Error::Success();
}

// ---- Winograd's F(2x2, 3x3): Lavin & Gray 2016, arXiv:1509.09308, section 4.1 ----

// An output is cut into tiles of 2x2, each computed from 4x4 input pixels.  A rate
// divides the image into independent phases: pixels of a tile are `rate` apart.
struct Tiling {
  int64_t batch, height, width, channels, rows, columns, outputs;
  int64_t rate[2], padding[2];

  int64_t down() const { return Parts(rows, 2 * rate[0]); }
  int64_t across() const { return Parts(columns, 2 * rate[1]); }
  int64_t count() const { return batch * rate[0] * rate[1] * down() * across(); }
  int64_t blocks() const { return Parts(outputs, kColumns); }
};

struct Tile {
  int64_t image, y, x;  // of the first output pixel

  Tile(const Tiling& all, int64_t index) {
    int64_t column = index % all.across(), line = index / all.across();
    int64_t row = line % all.down(), phases = line / all.down();
    int64_t phase = phases / all.rate[1];
    image = phase / all.rate[0];
    y = phase % all.rate[0] + 2 * row * all.rate[0];
    x = phases % all.rate[1] + 2 * column * all.rate[1];
  }
};

// Write B^T d B of tiles low..low + count, channels c0..c0 + channels:
// [16][tiles][channels].
void TransformImage(const Tiling& all, const float* in, int64_t low, int64_t count,
                    int64_t c0, int64_t channels, int64_t tiles, float* transformed) {
  for (int64_t t = 0; t < count; t++) {
    Tile tile(all, low + t);
    const float* d[4][4];
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < 4; j++) {
        int64_t y = tile.y + i * all.rate[0] - all.padding[0];
        int64_t x = tile.x + j * all.rate[1] - all.padding[1];
        bool inside =
            uint64_t(y) < uint64_t(all.height) && uint64_t(x) < uint64_t(all.width);
        int64_t pixel = (tile.image * all.height + y) * all.width + x;
        d[i][j] = inside ? in + pixel * all.channels + c0 : kZeros;
      }
    for (int64_t c = 0; c < channels; c += kLanes) {
      Vector h[4][4];
      for (int j = 0; j < 4; j++) {
        Vector d0 = Load(d[0][j] + c), d1 = Load(d[1][j] + c);
        Vector d2 = Load(d[2][j] + c), d3 = Load(d[3][j] + c);
        h[0][j] = d0 - d2, h[1][j] = d1 + d2, h[2][j] = d2 - d1, h[3][j] = d1 - d3;
      }
      for (int i = 0; i < 4; i++) {
        float* to = transformed + (i * 4 * tiles + t) * channels + c;
        int64_t next = tiles * channels;
        Store(to, h[i][0] - h[i][2]);
        Store(to + next, h[i][1] + h[i][2]);
        Store(to + 2 * next, h[i][2] - h[i][1]);
        Store(to + 3 * next, h[i][1] - h[i][3]);
      }
    }
  }
}

// G (a, b, c)^T
inline void Spread(Vector a, Vector b, Vector c, Vector (&out)[4]) {
  Vector even = (a + c) * 0.5f, odd = b * 0.5f;
  out[0] = a, out[1] = even + odd, out[2] = even - odd, out[3] = c;
}

// Write G g G^T of kLanes channels and a block of outputs: [16][channels][kColumns].
// `reversed` flips the kernel in rows and columns and exchanges channels and outputs.
void TransformKernel(const Tiling& all, const float* kernel, bool reversed,
                     int64_t block, int64_t c0, float* to) {
  int64_t o = block * kColumns;
  int64_t outputs = std::min<int64_t>(kColumns, all.outputs - o);
  alignas(64) float g[9][kLanes][kColumns] = {};
  for (int tap = 0; tap < 9; tap++)
    for (int64_t i = 0; i < kLanes; i++) {
      if (reversed) {
        const float* from = kernel + (8 - tap) * all.outputs * all.channels + c0 + i;
        for (int64_t k = 0; k < outputs; k++)
          g[tap][i][k] = from[(o + k) * all.channels];
      } else {
        const float* from = kernel + (tap * all.channels + c0 + i) * all.outputs + o;
        memcpy(g[tap][i], from, outputs * sizeof(float));
      }
    }
  for (int64_t i = 0; i < kLanes; i++)
    for (int64_t j = 0; j < kColumns; j += kLanes) {
      Vector columns[3][4], all_points[4];
      for (int x = 0; x < 3; x++)
        Spread(Load(g[x][i] + j), Load(g[3 + x][i] + j), Load(g[6 + x][i] + j),
               columns[x]);
      for (int y = 0; y < 4; y++) {
        Spread(columns[0][y], columns[1][y], columns[2][y], all_points);
        for (int x = 0; x < 4; x++)
          Store(to + ((y * 4 + x) * all.channels + c0 + i) * kColumns + j,
                all_points[x]);
      }
    }
}

// Multiply the 16 points of tiles and write A^T m A, for one block of outputs; `plain`
// means that there is no epilogue and that the vectors are full.
template <int vectors, bool plain>
void ComputeTiles(const Tiling& all, int64_t low, int64_t count, int64_t block,
                  const float* transformed, const float* panels, float* products,
                  float* out, const Epilogue& epilogue) {
  int64_t channels = all.channels;
  for (int64_t point = 0; point < kPoints; point++)
    for (int64_t t = 0; t < count; t += kRows) {
      const float* x[kRows];
      for (int i = 0; i < kRows; i++)
        x[i] = transformed + (point * kTiles + t + i) * channels;
      Vector sums[kRows][kVectors] = {};
      Multiply<vectors>(x, panels + point * channels * kColumns, channels, sums);
      float* to = products + (point * kTiles + t) * kColumns;
      for (int i = 0; i < kRows; i++, to += kColumns) {
        Vector total[vectors];
        Gather<vectors>(sums[i], total);
        for (int j = 0; j < vectors; j++) Store(to + kLanes * j, total[j]);
      }
    }
  for (int64_t t = 0; t < count; t++) {
    Tile tile(all, low + t);
    for (int j = 0; j < vectors; j++) {
      int64_t o = block * kColumns + j * kLanes;
      int64_t lanes = std::min<int64_t>(kLanes, all.outputs - o);
      const float* m = products + t * kColumns + j * kLanes;
      int64_t next = kTiles * kColumns;
      Vector h[2][4];
      for (int x = 0; x < 4; x++, m += next) {
        Vector m1 = Load(m + 4 * next), m2 = Load(m + 8 * next);
        h[0][x] = Load(m) + m1 + m2, h[1][x] = m1 - m2 - Load(m + 12 * next);
      }
      for (int y = 0; y < 2; y++) {
        int64_t row = tile.y + y * all.rate[0];
        if (row >= all.rows) continue;
        Vector pair[] = {h[y][0] + h[y][1] + h[y][2], h[y][1] - h[y][2] - h[y][3]};
        for (int x = 0; x < 2; x++) {
          int64_t column = tile.x + x * all.rate[1];
          if (column >= all.columns) continue;
          int64_t pixel = (tile.image * all.rows + row) * all.columns + column;
          int64_t place = pixel * all.outputs + o;
          if (plain)
            Store(out + place, pair[x]);
          else
            Store(out + place, epilogue(pair[x], o, place, lanes), lanes);
        }
      }
    }
  }
}

ffi::Error RunTiles(ffi::ThreadPool& pool, const Tiling& all, const float* in,
                    const float* kernel, bool reversed, float* out, Scratch scratch,
                    const Epilogue& epilogue = {}) {
  int64_t size = kPoints * all.channels * kColumns, groups = all.channels / kLanes;
  ffi::Error enough = Enough(scratch, all.blocks() * size);
  if (enough.failure()) return enough;
  float* panels = scratch.typed_data();
  ParallelFor(pool, all.blocks() * groups, [&](int64_t i) {
    TransformKernel(all, kernel, reversed, i / groups, i % groups * kLanes,
                    panels + i / groups * size);
  });
  ParallelFor(pool, Parts(all.count(), kTiles), [&](int64_t i) {
    int64_t low = i * kTiles, count = std::min(kTiles, all.count() - low);
    int64_t space = kPoints * kTiles * all.channels;
    float* transformed = Workspace(space + kPoints * kTiles * kColumns);
    TransformImage(all, in, low, count, 0, all.channels, kTiles, transformed);
    for (int64_t block = 0; block < all.blocks(); block++) {
      bool half = all.outputs - block * kColumns <= kLanes;
      bool plain = !epilogue.scale && all.outputs % kLanes == 0;
      auto compute = half    ? plain ? ComputeTiles<1, true> : ComputeTiles<1, false>
                        : plain ? ComputeTiles<2, true>
                             : ComputeTiles<2, false>;
      compute(all, low, count, block, transformed, panels + block * size,
              transformed + space, out, epilogue);
    }
  });
  return ffi::Error::Success();
}

// Write A g A^T of the 2x2 gradients of each tile: [16][kTileSums][kColumns].
void TransformGradient(const Tiling& all, const float* gradient, int64_t low,
                       int64_t count, int64_t o, int64_t vectors, float* to) {
  for (int64_t t = 0; t < count; t++, to += kColumns) {
    Tile tile(all, low + t);
    const float* g[2][2];
    for (int i = 0; i < 2; i++)
      for (int j = 0; j < 2; j++) {
        int64_t y = tile.y + i * all.rate[0], x = tile.x + j * all.rate[1];
        int64_t pixel = (tile.image * all.rows + y) * all.columns + x;
        bool inside = y < all.rows && x < all.columns;
        g[i][j] = inside ? gradient + pixel * all.outputs + o : kZeros;
      }
    for (int64_t v = 0; v < vectors * kLanes; v += kLanes) {
      Vector h[4][2];
      for (int j = 0; j < 2; j++) {
        Vector g0 = Load(g[0][j] + v), g1 = Load(g[1][j] + v);
        h[0][j] = g0, h[1][j] = g0 + g1, h[2][j] = g0 - g1, h[3][j] = -g1;
      }
      for (int i = 0; i < 4; i++) {
        Vector points[4] = {h[i][0], h[i][0] + h[i][1], h[i][0] - h[i][1], -h[i][1]};
        for (int j = 0; j < 4; j++)
          Store(to + (i * 4 + j) * kTileSums * kColumns + v, points[j]);
      }
    }
  }
}

// Add to sums [16][channels][outputs] the products of tiles for a block of outputs.
template <int vectors>
void CorrelateTiles(const Tiling& all, const float* transformed, const float* gradient,
                    int64_t count, int64_t channels, float* sums) {
  for (int64_t point = 0; point < kPoints; point++)
    for (int64_t c = 0; c < channels; c += kRows) {
      Vector acc[kRows][kVectors] = {};
      Correlate<kRows, vectors>(transformed + point * kTileSums * channels + c,
                                gradient + point * kTileSums * kColumns, count,
                                channels, acc);
      float* to = sums + (point * all.channels + c) * all.outputs;
      for (int m = 0; m < kRows; m++, to += all.outputs)
        for (int j = 0; j < vectors; j++)
          Store(to + j * kLanes, Load(to + j * kLanes) + acc[m][j]);
    }
}

// G^T (a, b, c, d)^T
inline void Collect(Vector a, Vector b, Vector c, Vector d, Vector (&out)[3]) {
  Vector even = (b + c) * 0.5f;
  out[0] = a + even, out[1] = (b - c) * 0.5f, out[2] = even + d;
}

ffi::Error SumOverTiles(ffi::ThreadPool& pool, const Tiling& all, const float* in,
                        const float* gradient, float* out, Scratch sums_of_parts) {
  int64_t plane = all.channels * all.outputs, count = all.count();
  int64_t parts = sums_of_parts.element_count() / (kPoints * plane);
  ffi::Error enough = Enough(sums_of_parts, kPoints * plane);
  if (enough.failure()) return enough;
  float* scratch = sums_of_parts.typed_data();
  int64_t chunk = Chunk(pool, parts, all.channels);
  int64_t chunks = Parts(all.channels, chunk), bands = Parts(count, kTileSums);
  ParallelFor(pool, parts * chunks, [&](int64_t i) {
    int64_t part = i / chunks, c = i % chunks * chunk;
    int64_t channels = std::min(chunk, all.channels - c);
    int64_t space = kPoints * kTileSums * channels;
    float* transformed = Workspace(space + kPoints * kTileSums * kColumns);
    float* g = transformed + space;
    float* sums = scratch + part * kPoints * plane + c * all.outputs;
    for (int64_t point = 0; point < kPoints; point++)
      memset(sums + point * plane, 0, channels * all.outputs * sizeof(float));
    for (int64_t band = bands * part / parts; band < bands * (part + 1) / parts;
         band++) {
      int64_t low = band * kTileSums, n = std::min(kTileSums, count - low);
      TransformImage(all, in, low, n, c, channels, kTileSums, transformed);
      for (int64_t o = 0; o < all.outputs; o += kColumns) {
        bool half = all.outputs - o <= kLanes;
        TransformGradient(all, gradient, low, n, o, half ? 1 : 2, g);
        (half ? CorrelateTiles<1> : CorrelateTiles<2>)(all, transformed, g, n, channels,
                                                       sums + o);
      }
    }
  });
  ParallelFor(pool, all.channels / kLanes, [&](int64_t i) {
    int64_t end = (i + 1) * kLanes * all.outputs;
    for (int64_t at = i * kLanes * all.outputs; at < end; at += kLanes) {
      Vector m[4][4], columns[4][3], taps[3];
      for (int64_t point = 0; point < kPoints; point++) {
        Vector sum = {};
        for (int64_t part = 0; part < parts; part++)
          sum += Load(scratch + (part * kPoints + point) * plane + at);
        m[point / 4][point % 4] = sum;
      }
      for (int x = 0; x < 4; x++)
        Collect(m[0][x], m[1][x], m[2][x], m[3][x], columns[x]);
      for (int y = 0; y < 3; y++) {
        Collect(columns[0][y], columns[1][y], columns[2][y], columns[3][y], taps);
        for (int x = 0; x < 3; x++) Store(out + (y * 3 + x) * plane + at, taps[x]);
      }
    }
  });
  return ffi::Error::Success();
}

// ---- Depthwise: each channel by itself ----

// A convolution of `in` to `out`, both [batch][rows][columns][channels].
struct Depthwise {
  int64_t batch, height, width, channels, rows, columns;
  int64_t stride[2];
  std::vector<Tap> taps;
};

// Write pixels of a line: the sum over taps of a pixel times the tap's weights.  If
// `backward`, `from` is the gradient of the output, and `to` that of the input.
template <bool backward>
void FilterLine(const Depthwise& work, const float* from, const float* kernel,
                float* to, int64_t line,
                std::vector<std::pair<const float*, const float*>>& pairs) {
  int64_t height = backward ? work.rows : work.height;
  int64_t width = backward ? work.columns : work.width;
  int64_t rows = backward ? work.height : work.rows;
  int64_t columns = backward ? work.width : work.columns;
  int64_t row = line % rows, image = line / rows;
  for (int64_t column = 0; column < columns; column++) {
    pairs.clear();
    for (const Tap& tap : work.taps) {
      int64_t y, x;
      if (backward) {
        y = row - tap.y, x = column - tap.x;
        if (y % work.stride[0] || x % work.stride[1]) continue;
        y /= work.stride[0], x /= work.stride[1];
      } else {
        y = row * work.stride[0] + tap.y, x = column * work.stride[1] + tap.x;
      }
      if (uint64_t(y) < uint64_t(height) && uint64_t(x) < uint64_t(width))
        pairs.push_back({from + ((image * height + y) * width + x) * work.channels,
                         kernel + tap.index * work.channels});
    }
    float* pixel = to + (line * columns + column) * work.channels;
    for (int64_t c = 0; c < work.channels; c += kLanes) {
      int64_t lanes = std::min<int64_t>(kLanes, work.channels - c);
      Vector sum = {};
      for (auto [x, w] : pairs) sum += Load(x + c, lanes) * Load(w + c, lanes);
      Store(pixel + c, sum, lanes);
    }
  }
}

template <bool backward>
void Filter(ffi::ThreadPool& pool, const Depthwise& work, const float* from,
            const float* kernel, float* to) {
  int64_t lines = work.batch * (backward ? work.height : work.rows);
  ParallelFor(pool, lines, [&](int64_t line) {
    std::vector<std::pair<const float*, const float*>> pairs;
    FilterLine<backward>(work, from, kernel, to, line, pairs);
  });
}

// Sums over the pixels of in[...] * gradient[...], for each tap and channel.
ffi::Error SumChannels(ffi::ThreadPool& pool, const Depthwise& work, const float* in,
                       const float* gradient, float* out, Scratch sums_of_parts) {
  constexpr int kWide = 4;  // vectors at once, since pixels may be a page apart
  int64_t lines = work.batch * work.rows, parts = Parts(lines, kLines);
  int64_t size = work.taps.size() * work.channels;
  ffi::Error enough = Enough(sums_of_parts, parts * size);
  if (enough.failure()) return enough;
  float* scratch = sums_of_parts.typed_data();
  int64_t blocks = Parts(work.channels, kWide * kLanes);
  ParallelFor(pool, parts * blocks, [&](int64_t i) {
    int64_t part = i / blocks, c = i % blocks * kWide * kLanes;
    int64_t channels = std::min<int64_t>(kWide * kLanes, work.channels - c);
    for (const Tap& tap : work.taps) {
      int64_t stride = work.stride[1];
      int64_t low = tap.x >= 0 ? 0 : Parts(-tap.x, stride);
      int64_t high = work.width <= tap.x ? 0 : Parts(work.width - tap.x, stride);
      high = std::min(high, work.columns);
      Vector sums[kWide] = {};
      for (int64_t line = part * kLines; line < std::min(lines, (part + 1) * kLines);
           line++) {
        int64_t y = line % work.rows * work.stride[0] + tap.y;
        if (y < 0 || y >= work.height) continue;
        int64_t row = (line / work.rows * work.height + y) * work.width;
        for (int64_t column = low; column < high; column++) {
          const float* x = in + (row + column * stride + tap.x) * work.channels + c;
          const float* g =
              gradient + (line * work.columns + column) * work.channels + c;
          if (channels == kWide * kLanes) {
            for (int j = 0; j < kWide; j++)
              sums[j] += Load(x + j * kLanes) * Load(g + j * kLanes);
          } else {
            for (int64_t j = 0; j * kLanes < channels; j++) {
              int64_t lanes = std::min<int64_t>(kLanes, channels - j * kLanes);
              sums[j] += Load(x + j * kLanes, lanes) * Load(g + j * kLanes, lanes);
            }
          }
        }
      }
      float* to = scratch + part * size + tap.index * work.channels + c;
      for (int64_t j = 0; j * kLanes < channels; j++)
        Store(to + j * kLanes, sums[j],
              std::min<int64_t>(kLanes, channels - j * kLanes));
    }
  });
  for (int64_t at = 0; at < size; at++) {
    double sum = 0;
    for (int64_t part = 0; part < parts; part++) sum += scratch[part * size + at];
    out[at] = sum;
  }
  return ffi::Error::Success();
}

// ---- Sums over the pixels, for batch normalisation ----

constexpr int64_t kFew = 64;  // pixels that are summed in registers

struct Normalization {
  const float *x, *gradient;         // [pixels][channels]
  const float *mean, *scale, *bias;  // [channels]
  int64_t pixels, channels;
};

// Add to two sums, those of x - mean and its square, or those of the gradient and its
// product with x - mean.  `relu` leaves out the gradient where the ReLU of the normalised
// x is 0.
template <bool backward, bool relu>
inline void Add(const Normalization& n, int64_t low, int64_t high, int64_t c,
                int64_t lanes, float* first, float* second) {
  auto load = [&](const float* from) { return Load(from, lanes); };
  Vector a = {}, b = {}, mean = load(n.mean + c), scale = {}, bias = {};
  if (relu) scale = load(n.scale + c), bias = load(n.bias + c);
  for (int64_t p = low; p < high; p++) {
    Vector x = load(n.x + p * n.channels + c) - mean;
    if constexpr (backward) {
      Vector g = load(n.gradient + p * n.channels + c);
      if constexpr (relu) g = x * scale + bias > 0 ? g : Vector{};
      a += g, b += g * x;
    } else {
      a += x, b += x * x;
    }
  }
  a += load(first + c), b += load(second + c);
  Store(first + c, a, lanes), Store(second + c, b, lanes);
}

template <bool backward, bool relu>
ffi::Error SumTwice(ffi::ThreadPool& pool, const Normalization& n, float* first,
                    float* second, Scratch sums_of_parts) {
  int64_t parts = Parts(n.pixels, kPixels), needed = parts * 2 * n.channels;
  ffi::Error enough = Enough(sums_of_parts, needed);
  if (enough.failure()) return enough;
  float* scratch = sums_of_parts.typed_data();
  ParallelFor(pool, parts, [&](int64_t part) {
    float* sums = scratch + part * 2 * n.channels;
    memset(sums, 0, 2 * n.channels * sizeof(float));
    int64_t end = std::min((part + 1) * kPixels, n.pixels);
    for (int64_t low = part * kPixels; low < end; low += kFew)
      for (int64_t c = 0; c < n.channels; c += kLanes)
        Add<backward, relu>(n, low, std::min(low + kFew, end), c,
                            std::min<int64_t>(kLanes, n.channels - c), sums,
                            sums + n.channels);
  });
  for (int64_t c = 0; c < n.channels; c++) {
    double a = 0, b = 0;
    for (int64_t part = 0; part < parts; part++) {
      a += scratch[part * 2 * n.channels + c];
      b += scratch[part * 2 * n.channels + n.channels + c];
    }
    first[c] = a, second[c] = b;
  }
  return ffi::Error::Success();
}

// ---- What XLA calls ----

// Whether tiles are faster; for few pixels, transforming the weights takes too long.
bool ByTiles(Sizes kernel, Sizes in, Sizes out, Pair strides, Pair rates) {
  return kernel[0] == 3 && kernel[1] == 3 && strides[0] == 1 && strides[1] == 1 &&
         in[3] % kLanes == 0 && in[3] <= kMostChannels && 8 * rates[0] <= out[1] &&
         8 * rates[1] <= out[2] && out[0] * out[1] * out[2] >= kFewest;
}

Tiling Tiles(Sizes in, Sizes out, int64_t top, int64_t left, Pair rates) {
  return {in[0],      in[1], in[2], in[3], out[1], out[2], out[3], {rates[0], rates[1]},
          {top, left}};
}

bool Equal(Sizes one, Sizes other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end());
}

// Whether an image, a kernel and an output fit the same convolution, of all channels
// together or of each by itself.  Rows and columns may differ, since pixels that one of
// the arrays does not have are neither read nor written.
bool Fit(Sizes image, Sizes kernel, Sizes out, bool each = false) {
  for (Sizes sizes : {image, kernel, out})
    for (int64_t size : sizes)
      if (size < 1) return false;
  return image[0] == out[0] && kernel[3] == out[3] &&
         kernel[2] == (each ? 1 : image[3]) && (!each || image[3] == out[3]);
}

// Scale and offset may be empty, which means no epilogue; the residual may be empty too.
ffi::Error Convolve(ffi::ThreadPool pool, Image image, Image kernel, Channels scale,
                    Channels offset, Image residual, ffi::Result<Image> out,
                    ffi::Result<Scratch> scratch, Pair strides, Pair padding,
                    Pair rates, bool relu) {
  auto in = image.dimensions(), k = kernel.dimensions(), to = out->dimensions();
  int64_t channels = scale.element_count();
  ffi::Error agree =
      Agree(Fit(in, k, to) && offset.element_count() == channels &&
            (channels == 0 || channels == to[3]) &&
            (residual.element_count() == 0 || Equal(residual.dimensions(), to)));
  if (agree.failure()) return agree;
  Epilogue epilogue;
  if (channels)
    epilogue = {scale.typed_data(), offset.typed_data(),
              residual.element_count() ? residual.typed_data() : nullptr, relu};
  if (ByTiles(k, in, to, strides, rates)) {
    Tiling all = Tiles(in, to, padding[0], padding[1], rates);
    return RunTiles(pool, all, image.typed_data(), kernel.typed_data(), false,
                    out->typed_data(), *scratch, epilogue);
  }
  std::vector<Plan> plans{{in[0],
                           in[1],
                           in[2],
                           in[3],
                           to[1],
                           to[2],
                           to[1],
                           to[2],
                           to[3],
                           {strides[0], strides[1]},
                           {1, 1},
                           {0, 0},
                           Taps(k[0], k[1], padding, rates)}};
  return Run(pool, plans, image.typed_data(), kernel.typed_data(), false,
             out->typed_data(), *scratch, epilogue);
}

// Pixels at the same position modulo the stride have the same taps.  Each such phase is
// a convolution of the gradient, with stride 1, which gives every stride-th pixel.
ffi::Error InputGradient(ffi::ThreadPool pool, Image gradient, Image kernel,
                         ffi::Result<Image> out, ffi::Result<Scratch> scratch,
                         Pair strides, Pair padding, Pair rates) {
  auto in = gradient.dimensions(), k = kernel.dimensions(), to = out->dimensions();
  ffi::Error agree = Agree(Fit(to, k, in));
  if (agree.failure()) return agree;
  if (ByTiles(k, in, to, strides, rates)) {
    Tiling all =
        Tiles(in, to, 2 * rates[0] - padding[0], 2 * rates[1] - padding[1], rates);
    return RunTiles(pool, all, gradient.typed_data(), kernel.typed_data(), true,
                    out->typed_data(), *scratch);
  }
  std::vector<Plan> plans;
  for (int64_t y = 0; y < std::min(strides[0], to[1]); y++)
    for (int64_t x = 0; x < std::min(strides[1], to[2]); x++) {
      std::vector<Tap> taps;
      for (const Tap& tap : Taps(k[0], k[1], padding, rates)) {
        int64_t dy = y - tap.y, dx = x - tap.x;
        if (dy % strides[0] == 0 && dx % strides[1] == 0)
          taps.push_back({dy / strides[0], dx / strides[1], tap.index});
      }
      plans.push_back({in[0],
                       in[1],
                       in[2],
                       in[3],
                       Parts(to[1] - y, strides[0]),
                       Parts(to[2] - x, strides[1]),
                       to[1],
                       to[2],
                       to[3],
                       {1, 1},
                       {strides[0], strides[1]},
                       {y, x},
                       taps});
    }
  return Run(pool, plans, gradient.typed_data(), kernel.typed_data(), true,
             out->typed_data(), *scratch);
}

// The third image is not read; as an operand, it makes XLA compute it before this.
ffi::Error WeightGradient(ffi::ThreadPool pool, Image image, Image gradient, Image,
                          ffi::Result<Image> out, ffi::Result<Scratch> scratch,
                          Pair strides, Pair padding, Pair rates) {
  auto in = image.dimensions(), g = gradient.dimensions(), k = out->dimensions();
  ffi::Error agree = Agree(Fit(in, k, g));
  if (agree.failure()) return agree;
  if (k[2] % kRows == 0 && k[3] % kLanes == 0 && ByTiles(k, in, g, strides, rates)) {
    Tiling all = Tiles(in, g, padding[0], padding[1], rates);
    return SumOverTiles(pool, all, image.typed_data(), gradient.typed_data(),
                        out->typed_data(), *scratch);
  }
  Correlation work{image.typed_data(),
                   gradient.typed_data(),
                   in[0],
                   in[1],
                   in[2],
                   in[3],
                   g[1],
                   g[2],
                   g[3],
                   {strides[0], strides[1]},
                   Taps(k[0], k[1], padding, rates)};
  return SumOverPixels(pool, work, out->typed_data(), *scratch);
}

Depthwise Geometry(Sizes image, Sizes kernel, Sizes out, Pair strides, Pair padding,
                   Pair rates) {
  return {image[0],
          image[1],
          image[2],
          image[3],
          out[1],
          out[2],
          {strides[0], strides[1]},
          Taps(kernel[0], kernel[1], padding, rates)};
}

ffi::Error ConvolveChannels(ffi::ThreadPool pool, Image image, Image kernel,
                            ffi::Result<Image> out, ffi::Result<Scratch>, Pair strides,
                            Pair padding, Pair rates) {
  auto in = image.dimensions(), k = kernel.dimensions(), to = out->dimensions();
  ffi::Error agree = Agree(Fit(in, k, to, true));
  if (agree.failure()) return agree;
  Filter<false>(pool, Geometry(in, k, to, strides, padding, rates),
                image.typed_data(), kernel.typed_data(), out->typed_data());
  return ffi::Error::Success();
}

ffi::Error ChannelsInputGradient(ffi::ThreadPool pool, Image gradient, Image kernel,
                                 ffi::Result<Image> out, ffi::Result<Scratch>,
                                 Pair strides, Pair padding, Pair rates) {
  auto in = out->dimensions(), k = kernel.dimensions(), to = gradient.dimensions();
  ffi::Error agree = Agree(Fit(in, k, to, true));
  if (agree.failure()) return agree;
  Filter<true>(pool, Geometry(in, k, to, strides, padding, rates),
               gradient.typed_data(), kernel.typed_data(), out->typed_data());
  return ffi::Error::Success();
}

ffi::Error ChannelsWeightGradient(ffi::ThreadPool pool, Image image, Image gradient,
                                  ffi::Result<Image> out, ffi::Result<Scratch> scratch,
                                  Pair strides, Pair padding, Pair rates) {
  auto in = image.dimensions(), k = out->dimensions(), to = gradient.dimensions();
  ffi::Error agree = Agree(Fit(in, k, to, true));
  if (agree.failure()) return agree;
  return SumChannels(pool, Geometry(in, k, to, strides, padding, rates),
                     image.typed_data(), gradient.typed_data(), out->typed_data(),
                     *scratch);
}

using Pixels = ffi::Buffer<ffi::F32, 2>;

// Mean and variance over the pixels.  Sums are of the distance from the first pixel, so
// that a mean much larger than the deviation loses no digits.
ffi::Error Moments(ffi::ThreadPool pool, Pixels x, ffi::Result<Channels> mean,
                   ffi::Result<Channels> variance, ffi::Result<Scratch> scratch) {
  int64_t pixels = x.dimensions()[0], channels = x.dimensions()[1];
  ffi::Error agree = Agree(pixels > 0 && int64_t(mean->element_count()) == channels &&
                           int64_t(variance->element_count()) == channels);
  if (agree.failure()) return agree;
  Normalization n{x.typed_data(), nullptr, x.typed_data(), nullptr,
                  nullptr,        pixels,  channels};
  float *m = mean->typed_data(), *v = variance->typed_data();
  ffi::Error enough = SumTwice<false, false>(pool, n, m, v, *scratch);
  if (enough.failure()) return enough;
  for (int64_t c = 0; c < channels; c++) {
    double shift = double(m[c]) / pixels;
    double variance = double(v[c]) / pixels - shift * shift;
    v[c] = variance < 0 ? 0 : variance;  // NaN stays
    m[c] = n.x[c] + shift;
  }
  return ffi::Error::Success();
}

// Sums over the pixels of the gradient, and of its product with x - mean.
ffi::Error NormalizationSums(ffi::ThreadPool pool, Pixels x, Pixels gradient,
                             Channels mean, Channels scale, Channels bias,
                             ffi::Result<Channels> sums, ffi::Result<Channels> products,
                             ffi::Result<Scratch> scratch, bool relu) {
  int64_t channels = x.dimensions()[1];
  bool equal = Equal(x.dimensions(), gradient.dimensions());
  for (int64_t size : {mean.element_count(), scale.element_count(),
                       bias.element_count(), sums->element_count(),
                       products->element_count()})
    equal &= size == channels;
  ffi::Error agree = Agree(equal);
  if (agree.failure()) return agree;
  Normalization n{x.typed_data(),     gradient.typed_data(), mean.typed_data(),
                  scale.typed_data(), bias.typed_data(),     x.dimensions()[0],
                  x.dimensions()[1]};
  return (relu ? SumTwice<true, true> : SumTwice<true, false>)(
      pool, n, sums->typed_data(), products->typed_data(), *scratch);
}

// The results and attributes of every convolution, after its operands.
template <typename Operands>
auto WithGeometry(Operands operands) {
  return std::move(operands)
      .template Ret<Image>()
      .template Ret<Scratch>()
      .template Attr<Pair>("strides")
      .template Attr<Pair>("padding")
      .template Attr<Pair>("rates");
}

auto TwoImages() {
  return ffi::Ffi::Bind().Ctx<ffi::ThreadPool>().Arg<Image>().Arg<Image>();
}

}  // namespace

// The caller computes the sizes of scratch memory from these.
extern "C" int jaxseg_columns() { return kColumns; }
extern "C" int jaxseg_points() { return kPoints; }
extern "C" int jaxseg_lines() { return kLines; }
extern "C" int jaxseg_pixels() { return kPixels; }

XLA_FFI_DEFINE_HANDLER_SYMBOL(
    jaxseg_convolve, Convolve,
    WithGeometry(TwoImages().Arg<Channels>().Arg<Channels>().Arg<Image>())
        .Attr<bool>("relu"));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxseg_input_gradient, InputGradient,
                              WithGeometry(TwoImages()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxseg_weight_gradient, WeightGradient,
                              WithGeometry(TwoImages().Arg<Image>()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxseg_convolve_channels, ConvolveChannels,
                              WithGeometry(TwoImages()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxseg_channels_input_gradient, ChannelsInputGradient,
                              WithGeometry(TwoImages()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxseg_channels_weight_gradient, ChannelsWeightGradient,
                              WithGeometry(TwoImages()));
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxseg_moments, Moments,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Pixels>()
                                  .Ret<Channels>()
                                  .Ret<Channels>()
                                  .Ret<Scratch>());
XLA_FFI_DEFINE_HANDLER_SYMBOL(jaxseg_normalization_sums, NormalizationSums,
                              ffi::Ffi::Bind()
                                  .Ctx<ffi::ThreadPool>()
                                  .Arg<Pixels>()
                                  .Arg<Pixels>()
                                  .Arg<Channels>()
                                  .Arg<Channels>()
                                  .Arg<Channels>()
                                  .Ret<Channels>()
                                  .Ret<Channels>()
                                  .Ret<Scratch>()
                                  .Attr<bool>("relu"));
