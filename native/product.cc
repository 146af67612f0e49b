#include "product.h"

#if defined(__x86_64__) && defined(__linux__) && __has_include(<amxbf16intrin.h>)
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "packing.h"

namespace sheaf {
namespace {

/// Packed operands are worked on in blocks that stay in the second-level cache.
constexpr size_t kBlockSteps = 8;
constexpr size_t kBlockRows = 128;
constexpr size_t kBlockColumns = 512;
/// Rows whose sums are kept at once, at most 4 MiB of them.
constexpr size_t kMostRows = 2048;

struct alignas(64) TileConfiguration {
  uint8_t palette = 1;
  uint8_t start = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

/// Memory of a thread that only grows.
class Buffer {
 public:
  ~Buffer() { std::free(memory_); }
  /// @return none where there is no memory
  uint32_t* Words(size_t count) {
    if (count > size_) {
      std::free(memory_);
      memory_ = static_cast<uint32_t*>(std::aligned_alloc(4096, (count * 4 + 4095) / 4096 * 4096));
      size_ = memory_ ? count : 0;
    }
    return memory_;
  }

 private:
  uint32_t* memory_ = nullptr;
  size_t size_ = 0;
};

thread_local Buffer left_buffer;
thread_local Buffer right_buffer;
thread_local Buffer sums_buffer;

constexpr int kTileBytes = kTile * 4;

/// Adds the products of two packed panels to a block of sums: up to 2 x 2 tiles, [down][across][16][16].
template <int kTerms, bool kTall, bool kWide>
TARGET void MultiplyPanels(const uint32_t* left, const uint32_t* right, size_t steps, bool from_zero, float* sums) {
  // Macros: a tile's number is part of the instruction.
#define EACH_SUM(action)                     \
  action(0);                                 \
  if (kWide) action(1);                      \
  if (kTall) action(2);                      \
  if (kTall && kWide) action(3)
#define ZERO(tile) _tile_zero(tile)
#define LOAD(tile) _tile_loadd(tile, sums + (tile) * kTileWords, kTileBytes)
#define STORE(tile) _tile_stored(tile, sums + (tile) * kTileWords, kTileBytes)
#define LEFT(term)                                             \
  _tile_loadd(4, left + (term) * 2 * kTileWords, kTileBytes);  \
  if (kTall) _tile_loadd(5, left + ((term) * 2 + 1) * kTileWords, kTileBytes)
#define RIGHT(term)                                            \
  _tile_loadd(6, right + (term) * 2 * kTileWords, kTileBytes); \
  if (kWide) _tile_loadd(7, right + ((term) * 2 + 1) * kTileWords, kTileBytes)
#define MULTIPLY                       \
  _tile_dpbf16ps(0, 4, 6);             \
  if (kWide) _tile_dpbf16ps(1, 4, 7);  \
  if (kTall) _tile_dpbf16ps(2, 5, 6);  \
  if (kTall && kWide) _tile_dpbf16ps(3, 5, 7)
  if (from_zero) {
    EACH_SUM(ZERO);
  } else {
    EACH_SUM(LOAD);
  }
  for (size_t step = 0; step < steps; step++, left += StepWords(kTerms), right += StepWords(kTerms)) {
    // From the smallest products to the largest, a new pair of tiles at a time.
    if (kTerms == 3) {
      LEFT(0);
      RIGHT(2);
      MULTIPLY;
      RIGHT(1);
      MULTIPLY;
      LEFT(1);
      MULTIPLY;
      RIGHT(0);
      MULTIPLY;
      LEFT(2);
      MULTIPLY;
    }
    if (kTerms == 2) {
      LEFT(0);
      RIGHT(1);
      MULTIPLY;
      LEFT(1);
      RIGHT(0);
      MULTIPLY;
    }
    if (kTerms == 1) RIGHT(0);
    LEFT(0);
    MULTIPLY;
  }
  EACH_SUM(STORE);
#undef EACH_SUM
#undef ZERO
#undef LOAD
#undef STORE
#undef LEFT
#undef RIGHT
#undef MULTIPLY
}

template <int kTerms>
constexpr auto PanelProduct(bool tall, bool wide) {
  return tall ? (wide ? MultiplyPanels<kTerms, true, true> : MultiplyPanels<kTerms, true, false>)
              : (wide ? MultiplyPanels<kTerms, false, true> : MultiplyPanels<kTerms, false, false>);
}

/// Writes a block of sums to its place in the product.
TARGET void Finish(const float* sums, const Epilogue& epilogue, size_t row, size_t column, size_t rows, size_t columns,
                   float* product, size_t stride) {
  const __m512 zero = _mm512_setzero_ps();
  for (size_t j = 0; j < columns; j += kTile) {
    const __mmask16 lanes = FirstLanes(columns - j);
    const __m512 bias = epilogue.bias ? _mm512_maskz_loadu_ps(lanes, epilogue.bias + column + j) : zero;
    for (size_t i = 0; i < rows; i++) {
      const size_t at = (row + i) * stride + column + j;
      __m512 x = _mm512_load_ps(sums + (i / kTile * 2 + j / kTile) * kTileWords + i % kTile * kTile);
      if (epilogue.bias) x = _mm512_add_ps(x, bias);
      if (epilogue.relu) x = _mm512_max_ps(zero, x);
      if (epilogue.where_positive) {
        const __m512 y = _mm512_maskz_loadu_ps(lanes, epilogue.where_positive + at);
        x = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, zero, _CMP_GT_OQ), x);
      }
      _mm512_mask_storeu_ps(product + at, lanes, x);
    }
  }
}

template <int kTerms>
TARGET bool Multiply(const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                     const Epilogue& epilogue, float* product) {
  const size_t steps = std::max<size_t>((inner + kStep - 1) / kStep, 1);
  const size_t blocks = (steps + kBlockSteps - 1) / kBlockSteps;
  const size_t block_steps = (steps + blocks - 1) / blocks;
  const auto whole = [](size_t length) { return (length + kPanel - 1) / kPanel * kPanel; };
  const size_t panel_words = block_steps * StepWords(kTerms);
  uint32_t* packed_left = left_buffer.Words(std::min(whole(rows), kBlockRows) / kPanel * panel_words);
  uint32_t* packed_right = right_buffer.Words(std::min(whole(columns), kBlockColumns) / kPanel * panel_words);
  auto* sums = reinterpret_cast<float*>(sums_buffer.Words(whole(rows) * std::min(whole(columns), kBlockColumns)));
  if (!packed_left || !packed_right || !sums) return false;

  TileConfiguration configuration;
  for (int tile = 0; tile < 8; tile++) {
    configuration.row_bytes[tile] = kTileBytes;
    configuration.rows[tile] = kTile;
  }
  _tile_loadconfig(&configuration);
  for (size_t column = 0; column < columns; column += kBlockColumns) {
    const size_t block_columns = std::min(columns - column, kBlockColumns);
    const size_t panels = (block_columns + kPanel - 1) / kPanel;
    for (size_t step = 0; step < steps; step += block_steps) {
      const size_t at = step * kStep;
      const size_t block_inner = std::min(inner - at, block_steps * kStep);
      const size_t some_steps = std::min(steps - step, block_steps);
      const bool last = step + block_steps >= steps;
      RightPacking<kTerms>(right.transposed)(right, column, at, block_columns, block_inner, packed_right);
      for (size_t row = 0; row < rows; row += kBlockRows) {
        const size_t block_rows = std::min(rows - row, kBlockRows);
        LeftPacking<kTerms>(left.transposed)(left, row, at, block_rows, block_inner, packed_left);
        for (size_t j = 0; j < block_columns; j += kPanel) {
          for (size_t i = 0; i < block_rows; i += kPanel) {
            const size_t some_rows = std::min(block_rows - i, kPanel);
            const size_t some_columns = std::min(block_columns - j, kPanel);
            float* own = sums + ((row + i) / kPanel * panels + j / kPanel) * kPanel * kPanel;
            PanelProduct<kTerms>(some_rows > kTile, some_columns > kTile)(
                packed_left + i / kPanel * some_steps * StepWords(kTerms),
                packed_right + j / kPanel * some_steps * StepWords(kTerms), some_steps, step == 0, own);
            if (last) Finish(own, epilogue, row + i, column + j, some_rows, some_columns, product, columns);
          }
        }
      }
    }
  }
  _tile_release();
  return true;
}

bool RequestMatrixUnits() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;
  __builtin_cpu_init();
  unsigned a = 7, b = 0, c = 0, d = 0;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  const bool has_amx = (d >> 22 & 1) && (d >> 24 & 1);
  return has_amx && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

bool HasMatrixUnits() {
  static const bool has = RequestMatrixUnits();
  return has;
}

bool MatrixProduct(Terms terms, const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                   const Epilogue& epilogue, float* product) {
  const auto multiply = terms == Terms::kOne ? Multiply<1> : terms == Terms::kTwo ? Multiply<2> : Multiply<3>;
  for (size_t row = 0; row < rows; row += kMostRows) {
    Operand some = left;
    if (left.rows && !left.transposed)
      some.rows += row;
    else
      some.data += left.transposed ? row : row * left.stride;
    Epilogue own = epilogue;
    if (own.where_positive) own.where_positive += row * columns;
    if (!multiply(some, right, std::min(rows - row, kMostRows), columns, inner, own, product + row * columns)) return false;
  }
  return true;
}

}  // namespace sheaf

#else

namespace sheaf {

bool HasMatrixUnits() { return false; }

bool MatrixProduct(Terms, const Operand&, const Operand&, size_t, size_t, size_t, const Epilogue&, float*) { return false; }

}  // namespace sheaf

#endif
