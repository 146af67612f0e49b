// Float32 products by products of digits (digits.h). Part of product.cc.
//
// Six of the nine products of two numbers' digits reach into the first 24 bits of the result. The matrix units add them up in
// integers of 32 bits, exactly, in three sums by what they weigh: 2^32, 2^24 and 2^16. (Ozaki, Ogita, Oishi and Rump: Error-free
// transformations of matrix multiplication by using fast routines of matrix multiplication, 2012; with 8-bit integers Ootomo, Ozaki
// and Yokota: DGEMM on integer matrix multiplication unit, 2024.)
#pragma once
#include "digits.h"

namespace sheaf {
namespace {

/// Steps of the inner dimension in a sum: three products of 2^14 for each of its numbers stay below 2^31, and small enough to be
/// float32s with a last bit lost at most.
constexpr size_t kMostDigitSteps = 16;

INLINE void Prefetch(const uint32_t* tile) {
  for (size_t i = 0; i < kTileWords; i += kTile) _mm_prefetch(reinterpret_cast<const char*>(tile + i), _MM_HINT_T0);
}

/// The sums of the products of a left panel of two tiles, or, not `kTall`, one, and a right one of one: [weight][tile][16][16].
template <bool kTall>
TARGET void MultiplyDigits(const uint32_t* left, const uint32_t* right, size_t steps, int32_t* sums) {
  constexpr size_t kLeft = DigitWords(2);
  constexpr size_t kRight = DigitWords(1);
  // Macros: a tile's number is part of the instruction. Tiles 0 to 5 are the sums; what comes next is on its way from the
  // second-level cache while the units multiply.
#define EACH_SUM(action) \
  action(0);             \
  action(2);             \
  action(4);             \
  if (kTall) {           \
    action(1);           \
    action(3);           \
    action(5);           \
  }
#define ZERO(tile) _tile_zero(tile)
#define STORE(tile) _tile_stored(tile, sums + (tile) * kTileWords, kTileBytes)
#define RIGHT(digit)                                        \
  _tile_loadd(7, right + (digit) * kTileWords, kTileBytes); \
  Prefetch(right + kRight + (digit) * kTileWords)
#define MULTIPLY(first, second, digit)                                 \
  _tile_loadd(6, left + (digit) * 2 * kTileWords, kTileBytes);         \
  _tile_dpbssd(first, 6, 7);                                           \
  if (kTall) {                                                         \
    _tile_loadd(6, left + ((digit) * 2 + 1) * kTileWords, kTileBytes); \
    _tile_dpbssd(second, 6, 7);                                        \
  }
#define PREFETCH(digit)                              \
  Prefetch(left + kLeft + (digit) * 2 * kTileWords); \
  if (kTall) Prefetch(left + kLeft + ((digit) * 2 + 1) * kTileWords)
  EACH_SUM(ZERO);
  for (size_t step = 0; step < steps; step++, left += kLeft, right += kRight) {
    RIGHT(0);
    MULTIPLY(0, 1, 0);
    PREFETCH(0);
    MULTIPLY(2, 3, 1);
    PREFETCH(1);
    MULTIPLY(4, 5, 2);
    PREFETCH(2);
    RIGHT(1);
    MULTIPLY(2, 3, 0);
    MULTIPLY(4, 5, 1);
    RIGHT(2);
    MULTIPLY(4, 5, 0);
  }
  EACH_SUM(STORE);
#undef EACH_SUM
#undef ZERO
#undef STORE
#undef RIGHT
#undef MULTIPLY
#undef PREFETCH
}

/// The value of 16 sums, in 2^16 of the lines' units.
INLINE __m512 ValueOf(const int32_t* sums) {
  const __m512 most = _mm512_cvtepi32_ps(_mm512_load_si512(sums));
  const __m512 middle = _mm512_cvtepi32_ps(_mm512_load_si512(sums + 2 * kTileWords));
  const __m512 least = _mm512_cvtepi32_ps(_mm512_load_si512(sums + 4 * kTileWords));
  const __m512 lower = _mm512_fmadd_ps(middle, _mm512_set1_ps(256), least);
  return _mm512_fmadd_ps(most, _mm512_set1_ps(65536), lower);
}

/// Where a block of sums lies in the product.
struct Place {
  size_t row;
  size_t rows;
  size_t column;
  size_t columns;
};

/// Adds sums to those of the inner dimension's blocks before, `kept`, or, with the last one, writes the product's elements.
TARGET inline void AddSums(const int32_t* sums, const Place& place, bool first, bool last, float* kept, const float* left_lines,
                           const float* right_lines, const Epilogue& epilogue, float* product, size_t stride) {
  const __mmask16 lanes = FirstLanes(place.columns);
  const __m512 unit = _mm512_sub_ps(_mm512_set1_ps(16), _mm512_maskz_loadu_ps(lanes, right_lines + place.column));
  for (size_t i = 0; i < place.rows; i++) {
    __m512 x = ValueOf(sums + i * kTile);
    if (!first) x = _mm512_add_ps(x, _mm512_load_ps(kept + i * kTile));
    if (!last) {
      _mm512_store_ps(kept + i * kTile, x);
      continue;
    }
    const size_t row = place.row + i;
    x = _mm512_scalef_ps(x, _mm512_sub_ps(unit, _mm512_set1_ps(left_lines[row])));
    Finish(x, epilogue, row * stride + place.column, place.column, lanes, product);
  }
}

TARGET inline bool MultiplyFloat32(const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                                   const Epilogue& epilogue, float* product) {
  const Blocks blocks((inner + kDigitStep - 1) / kDigitStep, kMostDigitSteps);
  const size_t panels = RoundedUp(std::min(rows, kBlockRows), kPanel) / kPanel;
  const size_t tiles = RoundedUp(std::min(columns, kBlockColumns), kTile) / kTile;
  uint32_t* packed_left = left_buffer.Words(panels * blocks.length * DigitWords(2) + 1);
  uint32_t* packed_right = right_buffer.Words(tiles * blocks.length * DigitWords(1) + 1);
  float* kept = sums_buffer.Floats(blocks.count > 1 ? RoundedUp(rows, kPanel) * tiles * kTile : 1);
  float* units = units_buffer.Floats(rows + 2 * columns + 2 * inner);
  if (!packed_left || !packed_right || !kept || !units) return false;
  const Units left_units{units, units + rows + columns};
  const Units right_units{units + rows, left_units.inner + inner};
  ChooseUnits(left, right, rows, columns, inner, left_units, right_units, right_units.inner + inner);
  const auto pack_left = left.transposed ? PackDigits<false, false, 2> : PackDigits<true, false, 2>;
  const auto pack_right = right.transposed ? PackDigits<true, true, 1> : PackDigits<false, true, 1>;
  alignas(64) int32_t sums[kDigits * 2 * kTileWords];

  ConfigureTiles();
  for (size_t column = 0; column < columns; column += kBlockColumns) {
    const size_t block_columns = std::min(columns - column, kBlockColumns);
    for (size_t block = 0; block < blocks.count; block++) {
      const size_t at = block * blocks.length * kDigitStep;
      const size_t block_inner = at < inner ? std::min(inner - at, blocks.length * kDigitStep) : 0;
      const size_t steps = (block_inner + kDigitStep - 1) / kDigitStep;
      pack_right(right, right_units, column, at, block_columns, block_inner, packed_right);
      for (size_t row = 0; row < rows; row += kBlockRows) {
        const size_t block_rows = std::min(rows - row, kBlockRows);
        pack_left(left, left_units, row, at, block_rows, block_inner, packed_left);
        for (size_t j = 0; j < block_columns; j += kTile) {
          for (size_t i = 0; i < block_rows; i += kPanel) {
            const Place place{row + i, std::min(block_rows - i, kPanel), column + j, std::min(block_columns - j, kTile)};
            const auto multiply = place.rows > kTile ? MultiplyDigits<true> : MultiplyDigits<false>;
            multiply(packed_left + i / kPanel * steps * DigitWords(2), packed_right + j / kTile * steps * DigitWords(1), steps, sums);
            AddSums(sums, place, block == 0, block + 1 == blocks.count, kept + ((row + i) * tiles + j / kTile * kPanel) * kTile,
                    left_units.lines, right_units.lines, epilogue, product, columns);
          }
        }
      }
    }
  }
  _tile_release();
  return true;
}

}  // namespace
}  // namespace sheaf
