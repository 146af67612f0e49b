#include "product.h"

#if defined(__x86_64__) && defined(__linux__) && __has_include(<amxbf16intrin.h>)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-bf16")))
#define INLINE TARGET inline __attribute__((always_inline))

namespace sheaf {
namespace {

/// A tile holds 16 rows of 16 words: float32 sums, or pairs of bfloat16.
constexpr size_t kTile = 16;
/// Rows or columns of the product that are computed together: two tiles.
constexpr size_t kPanel = 2 * kTile;
/// Of the inner dimension: a tile's words hold two each.
constexpr size_t kStep = 2 * kTile;
constexpr size_t kTileWords = kTile * kTile;
/// Packed operands are worked on in blocks that stay in the second-level cache.
constexpr size_t kBlockSteps = 8;
constexpr size_t kBlockRows = 128;
constexpr size_t kBlockColumns = 512;
/// Rows whose sums are kept at once, at most 4 MiB of them.
constexpr size_t kMostRows = 2048;

/// Words of one step of one panel.
constexpr size_t StepWords(int terms) { return terms * 2 * kTileWords; }

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

INLINE __mmask16 FirstLanes(size_t count) {
  return count >= kTile ? 0xffff : static_cast<__mmask16>((1u << count) - 1);
}

INLINE __m512i Bits(__m512 x) { return _mm512_castps_si512(x); }

/// The nearest bfloat16, as a float32: ties away from zero.
INLINE __m512 Rounded(__m512 x) {
  const __m512i bits = _mm512_add_epi32(Bits(x), _mm512_set1_epi32(0x8000));
  return _mm512_castsi512_ps(_mm512_and_si512(bits, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
}

/// Pairs of bfloat16, the first in the low half.
INLINE __m512i Paired(__m512 first, __m512 second) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  constexpr int kSecondInUpperOrFirst = 0xea;
  return _mm512_ternarylogic_epi32(Bits(second), upper, _mm512_srli_epi32(Bits(first), 16), kSecondInUpperOrFirst);
}

/// Splits numbers into their terms, the largest first. The last one is exact with three terms.
template <int kTerms>
INLINE void Split(__m512 first, __m512 second, __m512i words[kTerms]) {
  for (int term = 0; term < kTerms; term++) {
    const bool exact = term == 2;
    const __m512 a = exact ? first : Rounded(first);
    const __m512 b = exact ? second : Rounded(second);
    words[term] = Paired(a, b);
    first = _mm512_sub_ps(first, a);
    second = _mm512_sub_ps(second, b);
  }
}

INLINE void Transpose(__m512i t[kTile]) {
  __m512i s[kTile];
  for (int i = 0; i < 16; i += 2) {
    s[i] = _mm512_unpacklo_epi32(t[i], t[i + 1]);
    s[i + 1] = _mm512_unpackhi_epi32(t[i], t[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    t[i] = _mm512_unpacklo_epi64(s[i], s[i + 2]);
    t[i + 1] = _mm512_unpackhi_epi64(s[i], s[i + 2]);
    t[i + 2] = _mm512_unpacklo_epi64(s[i + 1], s[i + 3]);
    t[i + 3] = _mm512_unpackhi_epi64(s[i + 1], s[i + 3]);
  }
  for (int i = 0; i < 4; i++) {
    s[i] = _mm512_shuffle_i32x4(t[i], t[i + 4], 0x88);
    s[i + 4] = _mm512_shuffle_i32x4(t[i], t[i + 4], 0xdd);
    s[i + 8] = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0x88);
    s[i + 12] = _mm512_shuffle_i32x4(t[i + 8], t[i + 12], 0xdd);
  }
  for (int i = 0; i < 8; i++) {
    t[i] = _mm512_shuffle_i32x4(s[i], s[i + 8], 0x88);
    t[i + 8] = _mm512_shuffle_i32x4(s[i], s[i + 8], 0xdd);
  }
}

INLINE const float* RowOf(const Operand& operand, size_t row) {
  return operand.data + (operand.rows ? static_cast<size_t>(operand.rows[row]) : row) * operand.stride;
}

/// Packs up to 16 rows or columns of a product ("lines") over one step of the inner dimension, from a corner of an operand.
/// `kAlong`: the operand's rows are lines. In a tile the lines are rows, or, `kAcross`, words. Of the inner dimension, the word w
/// of a step pairs w with w + 16.
template <int kTerms, bool kAlong, bool kAcross>
INLINE void PackTile(const Operand& operand, size_t row, size_t column, size_t lines, size_t inner, uint32_t* to) {
  const size_t rest = inner > kTile ? inner - kTile : 0;
  const __mmask16 low = FirstLanes(kAlong ? inner : lines);
  const __mmask16 high = kAlong ? FirstLanes(rest) : low;
  const size_t firsts = kAlong ? lines : inner;
  const size_t seconds = kAlong ? lines : rest;
  constexpr bool kTransposed = kAlong == kAcross;
  __m512i words[kTransposed ? kTerms : 1][kTile];
  for (size_t i = 0; i < kTile; i++) {
    __m512 first = _mm512_setzero_ps();
    __m512 second = _mm512_setzero_ps();
    if (i < firsts) first = _mm512_maskz_loadu_ps(low, RowOf(operand, row + i) + column);
    if (i < seconds)
      second = _mm512_maskz_loadu_ps(
          high, kAlong ? RowOf(operand, row + i) + column + kTile : RowOf(operand, row + kTile + i) + column);
    __m512i split[kTerms];
    Split<kTerms>(first, second, split);
    for (int term = 0; term < kTerms; term++) {
      if (kTransposed)
        words[term][i] = split[term];
      else
        _mm512_store_si512(to + term * 2 * kTileWords + i * kTile, split[term]);
    }
  }
  if (!kTransposed) return;
  for (int term = 0; term < kTerms; term++) {
    Transpose(words[term]);
    for (size_t i = 0; i < kTile; i++) _mm512_store_si512(to + term * 2 * kTileWords + i * kTile, words[term][i]);
  }
}

/// Packs lines in panels of 32: [panel][step][term][half][16][16] words.
template <int kTerms, bool kAlong, bool kAcross>
TARGET void Pack(const Operand& operand, size_t line, size_t at, size_t lines, size_t inner, uint32_t* to) {
  for (size_t panel = 0; panel < lines; panel += kPanel) {
    for (size_t step = 0; step == 0 || step < inner; step += kStep, to += StepWords(kTerms)) {
      for (size_t first = panel; first < std::min(panel + kPanel, lines); first += kTile) {
        const size_t row = kAlong ? line + first : at + step;
        const size_t column = kAlong ? at + step : line + first;
        PackTile<kTerms, kAlong, kAcross>(operand, row, column, std::min(lines - first, kTile), std::min(inner - step, kStep),
                                          to + first % kPanel / kTile * kTileWords);
      }
    }
  }
}

template <int kTerms>
constexpr auto LeftPacking(bool transposed) {
  return transposed ? Pack<kTerms, false, false> : Pack<kTerms, true, false>;
}

template <int kTerms>
constexpr auto RightPacking(bool transposed) {
  return transposed ? Pack<kTerms, true, true> : Pack<kTerms, false, true>;
}

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
