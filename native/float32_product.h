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

/// Steps of the inner dimension in a sum: three products of 2^14 for each of its numbers stay far below 2^31, and as float32s lose two
/// bits at most.
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

/// One product, from packed operands on.
struct Float32Product {
  const Blocks& blocks;
  const Epilogue& epilogue;
  float* product;
  uint32_t* packed_left;
  uint32_t* packed_right;
  /// What the inner dimension's blocks before came to: [panel of rows][tile of columns][32][16].
  float* kept;
  Units left_units;
  Units right_units;

  /// Adds the sums of up to two tiles to those of the blocks before, or, with the last block, writes the product's elements.
  TARGET void Add(const int32_t* sums, size_t row, size_t rows, size_t column, size_t columns, size_t block) const {
    const __mmask16 lanes = FirstLanes(columns);
    const __m512 unit = _mm512_sub_ps(_mm512_set1_ps(16), _mm512_maskz_loadu_ps(lanes, right_units.exponents + column));
    float* own = kept + (row / kPanel * blocks.Tiles() + column % kBlockColumns / kTile) * kPanel * kTile;
    for (size_t i = 0; i < rows; i++) {
      __m512 x = ValueOf(sums + i * kTile);
      if (block > 0) x = _mm512_add_ps(x, _mm512_load_ps(own + i * kTile));
      if (block + 1 < blocks.count) {
        _mm512_store_ps(own + i * kTile, x);
        continue;
      }
      x = _mm512_scalef_ps(x, _mm512_sub_ps(unit, _mm512_set1_ps(left_units.exponents[row + i])));
      Finish(x, epilogue, (row + i) * blocks.columns + column, column, lanes, product);
    }
  }

  TARGET void Multiply(size_t row, size_t rows, size_t column, size_t columns, size_t steps, size_t block) const {
    alignas(64) int32_t sums[kDigits * 2 * kTileWords];
    for (size_t j = 0; j < columns; j += kTile) {
      for (size_t i = 0; i < rows; i += kPanel) {
        const size_t some_rows = std::min(rows - i, kPanel);
        const auto multiply = some_rows > kTile ? MultiplyDigits<true> : MultiplyDigits<false>;
        multiply(packed_left + i / kPanel * steps * DigitWords(2), packed_right + j / kTile * steps * DigitWords(1), steps, sums);
        Add(sums, row + i, some_rows, column + j, std::min(columns - j, kTile), block);
      }
    }
  }
};

TARGET inline bool MultiplyFloat32(const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                                   const Epilogue& epilogue, float* product) {
  const Blocks blocks(rows, columns, inner, kDigitStep, kMostDigitSteps);
  const size_t panels = RoundedUp(std::min(rows, kBlockRows), kPanel) / kPanel;
  uint32_t* packed_left = left_buffer.Words(panels * blocks.steps * DigitWords(2));
  uint32_t* packed_right = right_buffer.Words(blocks.Tiles() * blocks.steps * DigitWords(1));
  float* kept = sums_buffer.Floats(blocks.count > 1 ? RoundedUp(rows, kPanel) * blocks.Tiles() * kTile : 0);
  float* units = units_buffer.Floats(rows + 3 * columns + 2 * inner);
  if (!packed_left || !packed_right || !kept || !units) return false;
  const Units left_units{units, units + rows + columns};
  const Units right_units{units + rows, left_units.factors + inner};
  ChooseUnits(left, right, rows, columns, inner, left_units, right_units, right_units.factors + inner);
  const auto pack_left = left.transposed ? PackDigits<false, false, 2> : PackDigits<true, false, 2>;
  const auto pack_right = right.transposed ? PackDigits<true, true, 1> : PackDigits<false, true, 1>;
  const Float32Product one{blocks, epilogue, product, packed_left, packed_right, kept, left_units, right_units};

  ConfigureTiles();
  blocks.Each(
      [&](size_t column, size_t columns, size_t at, size_t inner) { pack_right(right, right_units, column, at, columns, inner, packed_right); },
      [&](size_t row, size_t rows, size_t at, size_t inner) { pack_left(left, left_units, row, at, rows, inner, packed_left); },
      [&](auto... place) { one.Multiply(place...); });
  _tile_release();
  return true;
}

}  // namespace
}  // namespace sheaf
