// How operands of a product lie in memory for the matrix units: split into bfloat16 terms, in tiles. Part of product.cc.
#pragma once
#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "product.h"

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
/// Words of one step of one panel.
constexpr size_t StepWords(int terms) { return terms * 2 * kTileWords; }

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

}  // namespace
}  // namespace sheaf
