// What products on the matrix units have in common: tiles, memory for packed operands, what is written in the end. Part of
// product.cc.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "product.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,amx-tile,amx-bf16,amx-int8")))
#define INLINE TARGET inline __attribute__((always_inline))

namespace sheaf {
namespace {

/// A tile holds 16 rows of 16 words: sums, pairs of bfloat16 or four integers of 8 bits.
constexpr size_t kTile = 16;
constexpr size_t kTileWords = kTile * kTile;
constexpr int kTileBytes = kTile * 4;
/// Rows of the product that are computed together: two tiles.
constexpr size_t kPanel = 2 * kTile;
/// Packed operands are worked on in blocks that stay in the second-level cache.
constexpr size_t kBlockRows = 128;
constexpr size_t kBlockColumns = 512;

inline size_t RoundedUp(size_t length, size_t multiple) { return (length + multiple - 1) / multiple * multiple; }

/// A product in blocks: of columns, then of the inner dimension, in equal ones, then of rows.
struct Blocks {
  size_t rows;
  size_t columns;
  size_t inner;
  /// Numbers of the inner dimension that a tile's words hold.
  size_t step;
  /// Blocks of the inner dimension, and the steps of each but the last, which may have fewer.
  size_t count;
  size_t steps;

  Blocks(size_t rows, size_t columns, size_t inner, size_t step, size_t most_steps) : rows(rows), columns(columns), inner(inner), step(step) {
    const size_t all = RoundedUp(inner, step) / step;
    count = std::max<size_t>(RoundedUp(all, most_steps) / most_steps, 1);
    steps = RoundedUp(all, count) / count;
  }

  /// Of the columns of a block, the last one's padding included.
  size_t Tiles() const { return RoundedUp(std::min(columns, kBlockColumns), kTile) / kTile; }

  /// Calls `pack_right` with (column, columns, at, inner), `pack_left` with (row, rows, at, inner), and `multiply` with
  /// (row, rows, column, columns, steps, block), of a block each.
  template <typename PackRight, typename PackLeft, typename Multiply>
  void Each(PackRight pack_right, PackLeft pack_left, Multiply multiply) const {
    for (size_t column = 0; column < columns; column += kBlockColumns) {
      const size_t some_columns = std::min(columns - column, kBlockColumns);
      for (size_t block = 0; block < count; block++) {
        const size_t at = block * steps * step;
        const size_t some_inner = std::min(inner - at, steps * step);
        pack_right(column, some_columns, at, some_inner);
        for (size_t row = 0; row < rows; row += kBlockRows) {
          const size_t some_rows = std::min(rows - row, kBlockRows);
          pack_left(row, some_rows, at, some_inner);
          multiply(row, some_rows, column, some_columns, RoundedUp(some_inner, step) / step, block);
        }
      }
    }
  }
};

/// Walks packed lines, which lie in panels of `kTiles` tiles: [panel][step]…[tile][16][16] words. Calls `pack` for each tile with its
/// first line and place in the inner dimension, with how many there are, and where it lies.
/// @param words of one step of a panel
template <size_t kTiles, typename Pack>
INLINE void EachTile(size_t lines, size_t inner, size_t step, size_t words, uint32_t* to, Pack pack) {
  for (size_t panel = 0; panel < lines; panel += kTiles * kTile)
    for (size_t at = 0; at < inner; at += step, to += words)
      for (size_t tile = 0, line = panel; tile < kTiles && line < lines; tile++, line += kTile)
        pack(line, at, std::min(lines - line, kTile), std::min(inner - at, step), to + tile * kTileWords);
}

/// Memory of a thread that only grows.
class Buffer {
 public:
  ~Buffer() { std::free(memory_); }
  /// @return none where there is no memory
  uint32_t* Words(size_t count) {
    if (count > size_ || !memory_) {
      std::free(memory_);
      memory_ = static_cast<uint32_t*>(std::aligned_alloc(4096, RoundedUp(count * 4 + 1, 4096)));
      size_ = memory_ ? count : 0;
    }
    return memory_;
  }
  float* Floats(size_t count) { return reinterpret_cast<float*>(Words(count)); }

 private:
  uint32_t* memory_ = nullptr;
  size_t size_ = 0;
};

thread_local Buffer left_buffer;
thread_local Buffer right_buffer;
thread_local Buffer sums_buffer;
thread_local Buffer units_buffer;

struct alignas(64) TileConfiguration {
  uint8_t palette = 1;
  uint8_t start = 0;
  uint8_t reserved[14] = {};
  uint16_t row_bytes[16] = {};
  uint8_t rows[16] = {};
};

/// All eight tiles whole.
TARGET inline void ConfigureTiles() {
  TileConfiguration configuration;
  for (int tile = 0; tile < 8; tile++) {
    configuration.row_bytes[tile] = kTileBytes;
    configuration.rows[tile] = kTile;
  }
  // The compiler's intrinsics do not say that they read memory.
  __asm__ volatile("" ::: "memory");
  _tile_loadconfig(&configuration);
}

INLINE __mmask16 FirstLanes(size_t count) {
  return count >= kTile ? 0xffff : static_cast<__mmask16>((1u << count) - 1);
}

INLINE __m512i Bits(__m512 x) { return _mm512_castps_si512(x); }

INLINE const float* RowOf(const Operand& operand, size_t row) {
  return operand.data + (operand.rows ? static_cast<size_t>(operand.rows[row]) : row) * operand.stride;
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

/// Writes what is left of up to 16 elements of a row after the epilogue. @param at of the first one in the product
INLINE void Finish(__m512 x, const Epilogue& epilogue, size_t at, size_t column, __mmask16 lanes, float* product) {
  const __m512 zero = _mm512_setzero_ps();
  if (epilogue.bias) x = _mm512_add_ps(x, _mm512_maskz_loadu_ps(lanes, epilogue.bias + column));
  if (epilogue.relu) x = _mm512_max_ps(zero, x);
  if (epilogue.where_positive) {
    const __m512 y = _mm512_maskz_loadu_ps(lanes, epilogue.where_positive + at);
    x = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(y, zero, _CMP_GT_OQ), x);
  }
  _mm512_mask_storeu_ps(product + at, lanes, x);
}

}  // namespace
}  // namespace sheaf
