// Float32 numbers as integers of three digits, and how these lie in memory for the matrix units. Part of product.cc.
//
// The numbers of a line (a row of the left operand, a column of the right one) have a unit in common, a power of two: in it they
// are integers of 24 bits, of three digits of 8.
//
// Beforehand the inner dimension is levelled: a row of the right operand is divided by the power of two that its numbers reach, beside
// the largest of their columns, and the left operand's column is multiplied by it. A feature that is a million times as large as
// others and has weights that are as much smaller, all of them, is like the others then, and makes no unit large.
#pragma once
#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <limits>

#include "tiles.h"

namespace sheaf {
namespace {

constexpr int kDigits = 3;
/// Of the inner dimension: a tile's words hold four digits each.
constexpr size_t kDigitStep = 4 * kTile;
/// Words of one step of a panel of `tiles` tiles.
constexpr size_t DigitWords(size_t tiles) { return kDigits * tiles * kTileWords; }

/// What makes integers of an operand's numbers.
struct Units {
  /// For each line, of the power of two that its numbers are multiplied by; NaN where one of them is not finite: so its products become.
  float* exponents;
  /// For each place in the inner dimension, powers of two.
  float* factors;
};

/// An absolute value whose bits are those of a larger integer is larger; what is not finite is the largest.
INLINE __m512i AbsoluteBits(__m512 x) { return _mm512_and_si512(Bits(x), _mm512_set1_epi32(0x7fffffff)); }

/// Calls `work` with each place where a vector begins, and the lanes that are there.
template <typename Work>
INLINE void EachVector(size_t length, Work work) {
  size_t i = 0;
  for (; i + kTile <= length; i += kTile) work(i, FirstLanes(kTile));
  if (i < length) work(i, FirstLanes(length - i));
}

/// The largest absolute value of each line, its numbers multiplied by their places' factors if there are some. The operand's rows are
/// lines.
TARGET inline void LargestOfRows(const Operand& operand, size_t lines, size_t length, const float* factors, float* largest) {
  for (size_t line = 0; line < lines; line++) {
    const float* row = RowOf(operand, line);
    __m512i most = _mm512_setzero_si512();
    EachVector(length, [&](size_t i, __mmask16 lanes) TARGET __attribute__((always_inline)) {
      __m512 x = _mm512_maskz_loadu_ps(lanes, row + i);
      if (factors) x = _mm512_mul_ps(x, _mm512_maskz_loadu_ps(lanes, factors + i));
      most = _mm512_max_epu32(most, AbsoluteBits(x));
    });
    const uint32_t bits = _mm512_reduce_max_epu32(most);
    std::memcpy(largest + line, &bits, sizeof(bits));
  }
}

/// The same where the operand's columns are lines: some rows at a time, so that few pages are open, of four vectors of them.
TARGET inline void LargestOfColumns(const Operand& operand, size_t lines, size_t length, const float* factors, float* largest) {
  constexpr size_t kRows = 32;
  constexpr size_t kVectors = 4;
  std::fill_n(largest, lines, 0.0f);
  for (size_t from = 0; from < length; from += kRows) {
    const size_t to = std::min(from + kRows, length);
    for (size_t line = 0; line < lines; line += kVectors * kTile) {
      __m512i most[kVectors];
      __mmask16 lanes[kVectors];
      for (size_t v = 0; v < kVectors; v++) {
        const size_t at = line + v * kTile;
        lanes[v] = at < lines ? FirstLanes(lines - at) : 0;
        most[v] = _mm512_maskz_loadu_epi32(lanes[v], largest + at);
      }
      for (size_t k = from; k < to; k++) {
        const float* row = RowOf(operand, k) + line;
        const __m512 factor = _mm512_set1_ps(factors ? factors[k] : 1);
        for (size_t v = 0; v < kVectors; v++) {
          const __m512 x = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes[v], row + v * kTile), factor);
          most[v] = _mm512_max_epu32(most[v], AbsoluteBits(x));
        }
      }
      for (size_t v = 0; v < kVectors; v++) _mm512_mask_storeu_epi32(largest + line + v * kTile, lanes[v], most[v]);
    }
  }
}

/// Makes each number the power of two below it, as far as that and its inverse are float32s; of what is not finite 1. Of 0 a small
/// one: what the other operand has there counts for nothing, and must not make a unit large.
TARGET inline void Level(float* largest, float* inverses, size_t length) {
  EachVector(length, [&](size_t i, __mmask16 lanes) TARGET __attribute__((always_inline)) {
    const __m512i bits = _mm512_maskz_loadu_epi32(lanes, largest + i);
    const __m512i infinite = _mm512_set1_epi32(0x7f800000);
    __m512i level = _mm512_min_epu32(_mm512_and_si512(bits, infinite), _mm512_set1_epi32(0x7e800000));
    level = _mm512_mask_mov_epi32(level, _mm512_testn_epi32_mask(bits, infinite), Bits(_mm512_set1_ps(0x1p-100f)));
    level = _mm512_mask_mov_epi32(level, _mm512_cmpge_epu32_mask(bits, infinite), Bits(_mm512_set1_ps(1)));
    _mm512_mask_storeu_epi32(largest + i, lanes, level);
    // Of an exponent e, biased by 127, the inverse's is 254 - e.
    _mm512_mask_storeu_epi32(inverses + i, lanes, _mm512_sub_epi32(_mm512_set1_epi32(0x7f000000), level));
  });
}

/// Makes each line's largest number the exponent that makes an integer of 24 bits of it.
TARGET inline void ChooseExponents(float* largest, size_t lines) {
  EachVector(lines, [&](size_t i, __mmask16 lanes) TARGET __attribute__((always_inline)) {
    const __m512 x = _mm512_maskz_loadu_ps(lanes, largest + i);
    const __m512 most = _mm512_max_ps(_mm512_set1_ps(std::numeric_limits<float>::min()), x);
    __m512 exponent = _mm512_sub_ps(_mm512_set1_ps(22), _mm512_getexp_ps(most));
    // Digits from -128 to 127 reach from -0x808080 to 0x7f7f7f: not quite to 2^23.
    const __m512 mantissa = _mm512_getmant_ps(most, _MM_MANT_NORM_1_2, _MM_MANT_SIGN_zero);
    const __mmask16 high = _mm512_cmp_ps_mask(mantissa, _mm512_set1_ps(1.992f), _CMP_GT_OQ);
    exponent = _mm512_mask_sub_ps(exponent, high, exponent, _mm512_set1_ps(1));
    const __mmask16 infinite = _mm512_cmp_ps_mask(x, _mm512_set1_ps(std::numeric_limits<float>::max()), _CMP_NLE_UQ);
    exponent = _mm512_mask_mov_ps(exponent, infinite, _mm512_set1_ps(std::numeric_limits<float>::quiet_NaN()));
    _mm512_mask_storeu_ps(largest + i, lanes, exponent);
  });
}

/// @param scales room for twice as many as there are columns
TARGET inline void ChooseUnits(const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                               const Units& left_units, const Units& right_units, float* scales) {
  const auto largest_of = [](const Operand& operand, bool along, size_t lines, size_t length, const float* factors, float* largest) {
    (along ? LargestOfRows : LargestOfColumns)(operand, lines, length, factors, largest);
  };
  float* levels = left_units.factors;
  float* inverses = right_units.factors;
  float* inverse_scales = scales + columns;
  largest_of(right, right.transposed, columns, inner, nullptr, scales);
  Level(scales, inverse_scales, columns);
  largest_of(right, !right.transposed, inner, columns, inverse_scales, levels);
  Level(levels, inverses, inner);
  largest_of(right, right.transposed, columns, inner, inverses, right_units.exponents);
  largest_of(left, !left.transposed, rows, inner, levels, left_units.exponents);
  ChooseExponents(right_units.exponents, columns);
  ChooseExponents(left_units.exponents, rows);
}

INLINE __m512i Chosen(__m512i mask, __m512i where_set, __m512i elsewhere) {
  return _mm512_ternarylogic_epi32(mask, where_set, elsewhere, 0xca);
}

/// The digits of four vectors of numbers: in a word one of the first vector's, the third's, the second's and the fourth's.
INLINE void DigitsOf(const __m512 numbers[4], const __m512 units[4], __m512i words[kDigits]) {
  const __m512i lower = _mm512_set1_epi32(0xffff);
  const __m512i even = _mm512_set1_epi32(0x00ff00ff);
  // Adding 128 to each digit, with carries, and taking it away without any leaves digits from -128 to 127.
  const __m512i halves = _mm512_set1_epi32(0x808080);
  __m512i q[4];
  for (int i = 0; i < 4; i++) {
    q[i] = _mm512_cvtps_epi32(_mm512_scalef_ps(numbers[i], units[i]));
    q[i] = _mm512_xor_si512(_mm512_add_epi32(q[i], halves), halves);
  }
  const __m512i low01 = Chosen(lower, q[0], _mm512_slli_epi32(q[1], 16));
  const __m512i low23 = Chosen(lower, q[2], _mm512_slli_epi32(q[3], 16));
  const __m512i high01 = Chosen(lower, _mm512_srli_epi32(q[0], 16), q[1]);
  const __m512i high23 = Chosen(lower, _mm512_srli_epi32(q[2], 16), q[3]);
  words[0] = Chosen(even, high01, _mm512_slli_epi32(high23, 8));
  words[1] = Chosen(even, _mm512_srli_epi32(low01, 8), low23);
  words[2] = Chosen(even, low01, _mm512_slli_epi32(low23, 8));
}

/// Packs up to 16 lines over one step of the inner dimension. `kAlong`: the operand's rows are lines. In a tile the lines are rows, or,
/// `kAcross`, words. The word w of a step holds the inner numbers w, w + 16, w + 32 and w + 48.
template <bool kAlong, bool kAcross>
INLINE void PackDigitTiles(const Operand& operand, const Units& units, size_t line, size_t at, size_t lines, size_t inner, size_t stride,
                           uint32_t* to) {
  constexpr bool kTransposed = kAlong == kAcross;
  __m512i words[kTransposed ? kDigits : 1][kTile];
  const auto rest = [inner](size_t part) { return inner > part * kTile ? inner - part * kTile : 0; };
  const __m512 own = kAlong ? _mm512_setzero_ps() : _mm512_maskz_loadu_ps(FirstLanes(lines), units.exponents + line);
  for (size_t i = 0; i < kTile; i++) {
    __m512 numbers[4];
    __m512 unit[4];
    for (size_t part = 0; part < 4; part++) {
      const size_t k = at + part * kTile;
      numbers[part] = _mm512_setzero_ps();
      unit[part] = own;
      if (kAlong && i < lines) {
        const __mmask16 lanes = FirstLanes(rest(part));
        numbers[part] = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, RowOf(operand, line + i) + k),
                                      _mm512_maskz_loadu_ps(lanes, units.factors + k));
        unit[part] = _mm512_set1_ps(units.exponents[line + i]);
      }
      if (!kAlong && i < rest(part))
        numbers[part] = _mm512_mul_ps(_mm512_maskz_loadu_ps(FirstLanes(lines), RowOf(operand, k + i) + line),
                                      _mm512_set1_ps(units.factors[k + i]));
    }
    __m512i digits[kDigits];
    DigitsOf(numbers, unit, digits);
    for (int digit = 0; digit < kDigits; digit++) {
      if (kTransposed)
        words[digit][i] = digits[digit];
      else
        _mm512_store_si512(to + digit * stride + i * kTile, digits[digit]);
    }
  }
  if (!kTransposed) return;
  for (int digit = 0; digit < kDigits; digit++) {
    Transpose(words[digit]);
    for (size_t i = 0; i < kTile; i++) _mm512_store_si512(to + digit * stride + i * kTile, words[digit][i]);
  }
}

/// Packs lines in panels of `kTiles` tiles: [panel][step][digit][tile][16][16] words.
template <bool kAlong, bool kAcross, size_t kTiles>
TARGET void PackDigits(const Operand& operand, const Units& units, size_t line, size_t at, size_t lines, size_t inner, uint32_t* to) {
  const auto pack = [&](size_t first, size_t step, size_t some_lines, size_t some_inner, uint32_t* tile) TARGET __attribute__((always_inline)) {
    PackDigitTiles<kAlong, kAcross>(operand, units, line + first, at + step, some_lines, some_inner, kTiles * kTileWords, tile);
  };
  EachTile<kTiles>(lines, inner, kDigitStep, DigitWords(kTiles), to, pack);
}

}  // namespace
}  // namespace sheaf
