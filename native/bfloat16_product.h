// Products of float32 numbers rounded to bfloat16, added up in float32. Part of product.cc.
#pragma once
#include "tiles.h"

namespace sheaf {
namespace {

/// Of the inner dimension: a tile's words hold two numbers each.
constexpr size_t kPairStep = 2 * kTile;
/// Words of one step of one panel.
constexpr size_t kPairWords = 2 * kTileWords;
/// Steps of the inner dimension in a block.
constexpr size_t kMostPairSteps = 8;

/// Numbers whose upper halves are the nearest bfloat16s: ties away from zero. Of a NaN with any payload this would be anything: it
/// becomes one whose upper half is a NaN before.
INLINE __m512i Rounded(__m512 x) {
  // For each of eight classes of numbers: that which is neither a quiet NaN (0) nor a signalling one (1) stays.
  const __m512i nan_for_nans = _mm512_set1_epi32(0x11111133);
  return _mm512_add_epi32(Bits(_mm512_fixupimm_ps(x, x, nan_for_nans, 0)), _mm512_set1_epi32(0x8000));
}

/// In pairs, the first in the low half.
INLINE __m512i Paired(__m512 first, __m512 second) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
  constexpr int kSecondInUpperOrFirst = 0xea;
  return _mm512_ternarylogic_epi32(Rounded(second), upper, _mm512_srli_epi32(Rounded(first), 16), kSecondInUpperOrFirst);
}

/// Packs up to 16 lines (rows or columns of the product) over one step of the inner dimension. `kAlong`: the operand's rows are
/// lines. In a tile the lines are rows, or, `kAcross`, words. The word w of a step pairs w with w + 16.
template <bool kAlong, bool kAcross>
INLINE void PackPairTile(const Operand& operand, size_t row, size_t column, size_t lines, size_t inner, uint32_t* to) {
  const size_t rest = inner > kTile ? inner - kTile : 0;
  const __mmask16 low = FirstLanes(kAlong ? inner : lines);
  const __mmask16 high = kAlong ? FirstLanes(rest) : low;
  const size_t firsts = kAlong ? lines : inner;
  const size_t seconds = kAlong ? lines : rest;
  constexpr bool kTransposed = kAlong == kAcross;
  __m512i words[kTile];
  for (size_t i = 0; i < kTile; i++) {
    __m512 first = _mm512_setzero_ps();
    __m512 second = _mm512_setzero_ps();
    if (i < firsts) first = _mm512_maskz_loadu_ps(low, RowOf(operand, row + i) + column);
    if (i < seconds)
      second = _mm512_maskz_loadu_ps(
          high, kAlong ? RowOf(operand, row + i) + column + kTile : RowOf(operand, row + kTile + i) + column);
    words[i] = Paired(first, second);
  }
  if (kTransposed) Transpose(words);
  for (size_t i = 0; i < kTile; i++) _mm512_store_si512(to + i * kTile, words[i]);
}

/// Packs lines in panels of 32: [panel][step][half][16][16] words.
template <bool kAlong, bool kAcross>
TARGET void PackPairs(const Operand& operand, size_t line, size_t at, size_t lines, size_t inner, uint32_t* to) {
  const auto pack = [&](size_t first, size_t step, size_t some_lines, size_t some_inner, uint32_t* tile) TARGET __attribute__((always_inline)) {
    const size_t row = kAlong ? line + first : at + step;
    const size_t column = kAlong ? at + step : line + first;
    PackPairTile<kAlong, kAcross>(operand, row, column, some_lines, some_inner, tile);
  };
  EachTile<2>(lines, inner, kPairStep, kPairWords, to, pack);
}

/// Adds the products of two packed panels to a block of sums: up to 2 x 2 tiles, [down][across][16][16].
template <bool kTall, bool kWide>
TARGET void MultiplyPairs(const uint32_t* left, const uint32_t* right, size_t steps, bool from_zero, float* sums) {
  // Macros: a tile's number is part of the instruction.
#define EACH_SUM(action)     \
  action(0);                 \
  if (kWide) action(1);      \
  if (kTall) action(2);      \
  if (kTall && kWide) action(3)
#define ZERO(tile) _tile_zero(tile)
#define LOAD(tile) _tile_loadd(tile, sums + (tile) * kTileWords, kTileBytes)
#define STORE(tile) _tile_stored(tile, sums + (tile) * kTileWords, kTileBytes)
  if (from_zero) {
    EACH_SUM(ZERO);
  } else {
    EACH_SUM(LOAD);
  }
  for (size_t step = 0; step < steps; step++, left += kPairWords, right += kPairWords) {
    _tile_loadd(4, left, kTileBytes);
    if (kTall) _tile_loadd(5, left + kTileWords, kTileBytes);
    _tile_loadd(6, right, kTileBytes);
    if (kWide) _tile_loadd(7, right + kTileWords, kTileBytes);
    _tile_dpbf16ps(0, 4, 6);
    if (kWide) _tile_dpbf16ps(1, 4, 7);
    if (kTall) _tile_dpbf16ps(2, 5, 6);
    if (kTall && kWide) _tile_dpbf16ps(3, 5, 7);
  }
  EACH_SUM(STORE);
#undef EACH_SUM
#undef ZERO
#undef LOAD
#undef STORE
}

constexpr auto PairProduct(bool tall, bool wide) {
  return tall ? (wide ? MultiplyPairs<true, true> : MultiplyPairs<true, false>)
              : (wide ? MultiplyPairs<false, true> : MultiplyPairs<false, false>);
}

/// The product's elements, of a block of 2 x 2 tiles of sums.
TARGET inline void Write(const float* sums, const Epilogue& epilogue, size_t row, size_t rows, size_t column, size_t columns, size_t stride,
                         float* product) {
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j += kTile)
      Finish(_mm512_load_ps(sums + (i / kTile * 2 + j / kTile) * kTileWords + i % kTile * kTile), epilogue,
             (row + i) * stride + column + j, column + j, FirstLanes(columns - j), product);
}

TARGET inline bool MultiplyBfloat16(const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                                    const Epilogue& epilogue, float* product) {
  const Blocks blocks(rows, columns, inner, kPairStep, kMostPairSteps);
  const size_t most_columns = std::min(RoundedUp(columns, kPanel), kBlockColumns);
  uint32_t* packed_left = left_buffer.Words(std::min(RoundedUp(rows, kPanel), kBlockRows) / kPanel * blocks.steps * kPairWords);
  uint32_t* packed_right = right_buffer.Words(most_columns / kPanel * blocks.steps * kPairWords);
  float* sums = sums_buffer.Floats(RoundedUp(rows, kPanel) * most_columns);
  if (!packed_left || !packed_right || !sums) return false;
  const auto pack_left = left.transposed ? PackPairs<false, false> : PackPairs<true, false>;
  const auto pack_right = right.transposed ? PackPairs<true, true> : PackPairs<false, true>;

  ConfigureTiles();
  blocks.Each(
      [&](size_t column, size_t columns, size_t at, size_t inner) { pack_right(right, column, at, columns, inner, packed_right); },
      [&](size_t row, size_t rows, size_t at, size_t inner) { pack_left(left, row, at, rows, inner, packed_left); },
      [&](size_t row, size_t rows, size_t column, size_t columns, size_t steps, size_t block) {
        for (size_t j = 0; j < columns; j += kPanel) {
          for (size_t i = 0; i < rows; i += kPanel) {
            const size_t some_rows = std::min(rows - i, kPanel);
            const size_t some_columns = std::min(columns - j, kPanel);
            float* own = sums + (row + i) * most_columns + j * kPanel;
            PairProduct(some_rows > kTile, some_columns > kTile)(packed_left + i / kPanel * steps * kPairWords,
                                                                 packed_right + j / kPanel * steps * kPairWords, steps, block == 0, own);
            if (block + 1 == blocks.count)
              Write(own, epilogue, row + i, some_rows, column + j, some_columns, blocks.columns, product);
          }
        }
      });
  _tile_release();
  return true;
}

}  // namespace
}  // namespace sheaf
