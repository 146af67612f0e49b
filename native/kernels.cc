// Loops over flat float32 vectors: the contract, and the order of all operations, stand in src/ps/vector/kernels.ts. Every
// float32 operation is rounded on its own (compiled with -ffp-contract=off and without fast-math), so that JavaScript's
// implementation gives equal bits. The compiler vectorises the loops, for each instruction set that TARGETS names; the
// fitting one is chosen when the add-on is loaded.
#ifdef __x86_64__
#include <immintrin.h>
#endif

#include <cmath>
#include <limits>
#include <vector>

#include "addon.h"

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__clang__)
#define TARGETS __attribute__((target_clones("default", "avx2", "arch=skylake-avx512")))
#else
#define TARGETS
#endif
#define INLINE inline __attribute__((always_inline))

namespace sheaf {
namespace {

constexpr size_t kChunk = 4096;
constexpr size_t kLanes = 16;
/// Elements worked on at once: the block of every array stays in the first-level cache between the loops.
constexpr size_t kBlock = 1024;
/// In an order of additions: the last two sums are added.
constexpr int32_t kAdd = -1;
/// Sums that wait to be added at once: a balanced tree over 2^32 vectors needs 33.
constexpr size_t kMostWaiting = 64;

enum Rule {
  kDescent,
  kMomentum,
  kNesterov,
  kAdagrad,
  kRmsprop,
  kRmspropCentered,
  kAdam,
  kAdamAmsgrad,
  kRules
};
constexpr int kSlots[kRules] = {0, 1, 1, 1, 2, 3, 2, 3};

struct Constants {
  float weight, scale, clip, l2, l1, keep, rate, a, b, c;
};

using F = float* __restrict__;
using ConstF = const float* __restrict__;

TARGETS void AddInto(F target, ConstF source, size_t n) {
  for (size_t i = 0; i < n; i++) target[i] += source[i];
}

TARGETS void AddScaled(F target, float factor, ConstF source, size_t n) {
  for (size_t i = 0; i < n; i++) target[i] += factor * source[i];
}

TARGETS void Scale(F x, float factor, size_t n) {
  for (size_t i = 0; i < n; i++) x[i] *= factor;
}

/// Vectors of which a step takes the sum, and the order of the additions (postfix: numbers of vectors, and kAdd).
struct Addends {
  const float* const* vectors;
  const int32_t* order;
  size_t count;
};

/// Adds a block up. @returns the sum: where it was given, or in `spare`, which has room for kMostWaiting blocks
INLINE const float* Total(const Addends& addends, size_t start, size_t n, float* spare) {
  const float* waiting[kMostWaiting];
  size_t depth = 0;
  for (size_t k = 0; k < addends.count; k++) {
    if (addends.order[k] != kAdd) {
      waiting[depth++] = addends.vectors[addends.order[k]] + start;
      continue;
    }
    const float* const left = waiting[depth - 2];
    const float* const right = waiting[depth - 1];
    float* const sum = spare + (depth - 2) * kBlock;  // either none of the two, or the left one
#pragma GCC ivdep
    for (size_t i = 0; i < n; i++) sum[i] = left[i] + right[i];
    waiting[--depth - 1] = sum;
  }
  return waiting[0];
}

/// Division by a power of two is multiplication by its inverse, bit for bit, in a tenth of the time; 0 for others.
INLINE float ExactInverse(float weight) {
  int exponent;
  return std::frexp(weight, &exponent) == 0.5f && exponent > -120 && exponent < 120 ? 1 / weight : 0;
}

// A sum becomes a mean, in one of three ways of equal bits.
struct Same {
  INLINE float operator()(float sum) const { return sum; }
};
struct Times {
  float inverse;
  INLINE float operator()(float sum) const { return sum * inverse; }
};
struct Over {
  float weight;
  INLINE float operator()(float sum) const { return sum / weight; }
};

/// Whether a rule takes the mean as it is.
INLINE bool IsPlain(const Constants& k) {
  const bool whole = k.clip == std::numeric_limits<float>::infinity();
  return k.scale == 1 && whole && k.l2 == 0 && k.l1 == 0 && k.keep == 1;
}

/// @param sum of gradients, which may be `g` itself. @param g receives what the rule takes
INLINE void Prepare(const Constants& k, F theta, const float* sum, float* g, size_t n) {
  const Over mean{k.weight};
#pragma GCC ivdep
  for (size_t i = 0; i < n; i++) g[i] = mean(sum[i]);
  if (k.scale != 1)
    for (size_t i = 0; i < n; i++) g[i] *= k.scale;
  if (k.clip != std::numeric_limits<float>::infinity())
    for (size_t i = 0; i < n; i++) g[i] = g[i] > k.clip ? k.clip : g[i] < -k.clip ? -k.clip : g[i];
  if (k.l2 != 0)
    for (size_t i = 0; i < n; i++) g[i] += k.l2 * theta[i];
  if (k.l1 != 0)
    for (size_t i = 0; i < n; i++) g[i] += theta[i] > 0 ? k.l1 : theta[i] < 0 ? -k.l1 : 0.0f;
  if (k.keep != 1)
    for (size_t i = 0; i < n; i++) theta[i] *= k.keep;
}

/// What is kept of a slot's value: numbers too small to be normal, which have no exponent, are 0. Without a choice, which
/// would keep GCC 12 from vectorising for AVX-512.
INLINE float Normal(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  bits &= -(bits & 0x7f800000) >> 31;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

INLINE float Ema(float average, float value, float share) { return average + (value - average) * share; }

template <typename Mean>
INLINE void Apply(Rule rule, const Constants& k, Mean mean, F theta, ConstF sum, F s0, F s1, F s2, size_t n) {
  const float rate = k.rate, a = k.a, b = k.b, c = k.c;
  switch (rule) {
    case kDescent:
      for (size_t i = 0; i < n; i++) theta[i] -= mean(sum[i]) * rate;
      break;
    case kMomentum:
      for (size_t i = 0; i < n; i++) {
        const float g = mean(sum[i]);
        s0[i] = Normal(s0[i] * a - g * rate);
        theta[i] += s0[i];
      }
      break;
    case kNesterov:
      for (size_t i = 0; i < n; i++) {
        const float g = mean(sum[i]);
        const float descent = g * rate;
        s0[i] = Normal(s0[i] * a - descent);
        theta[i] += s0[i] * a - descent;
      }
      break;
    case kAdagrad:
      for (size_t i = 0; i < n; i++) {
        const float g = mean(sum[i]);
        s0[i] = Normal(s0[i] + g * g);
        theta[i] -= g * rate / (std::sqrt(s0[i]) + a);
      }
      break;
    case kRmsprop:
      for (size_t i = 0; i < n; i++) {
        const float g = mean(sum[i]);
        s0[i] = Normal(Ema(s0[i], g * g, a));
        s1[i] = Normal(s1[i] * c + g * rate / std::sqrt(s0[i] + b));
        theta[i] -= s1[i];
      }
      break;
    case kRmspropCentered:
      for (size_t i = 0; i < n; i++) {
        const float g = mean(sum[i]);
        s0[i] = Normal(Ema(s0[i], g * g, a));
        s1[i] = Normal(Ema(s1[i], g, a));
        s2[i] = Normal(s2[i] * c + g * rate / std::sqrt(s0[i] - s1[i] * s1[i] + b));
        theta[i] -= s2[i];
      }
      break;
    case kAdam:
      for (size_t i = 0; i < n; i++) {
        const float g = mean(sum[i]);
        s0[i] = Normal(Ema(s0[i], g, a));
        s1[i] = Normal(Ema(s1[i], g * g, b));
        theta[i] -= s0[i] * rate / (std::sqrt(s1[i]) + c);
      }
      break;
    case kAdamAmsgrad:
      for (size_t i = 0; i < n; i++) {
        const float g = mean(sum[i]);
        s0[i] = Normal(Ema(s0[i], g, a));
        s1[i] = Normal(Ema(s1[i], g * g, b));
        s2[i] = s1[i] > s2[i] ? s1[i] : s2[i];
        theta[i] -= s0[i] * rate / (std::sqrt(s2[i]) + c);
      }
      break;
    default:
      break;
  }
}

TARGETS void Step(Rule rule, const Constants& k, float* theta, const Addends& addends, size_t from, size_t to, float* s0,
                  float* s1, float* s2) {
  alignas(64) float spare[kMostWaiting * kBlock];  // 256 KB of stack, of which little is ever touched
  const int slots = kSlots[rule];
  const bool plain = IsPlain(k);
  const float inverse = ExactInverse(k.weight);
  for (size_t start = from; start < to; start += kBlock) {
    const size_t n = to - start < kBlock ? to - start : kBlock;
    const float* const sum = Total(addends, start, n, spare);
    F a = slots > 0 ? s0 + start : nullptr;
    F b = slots > 1 ? s1 + start : nullptr;
    F c = slots > 2 ? s2 + start : nullptr;
    if (!plain) {
      Prepare(k, theta + start, sum, spare, n);
      Apply(rule, k, Same{}, theta + start, spare, a, b, c, n);
    } else if (inverse != 0) {
      Apply(rule, k, Times{inverse}, theta + start, sum, a, b, c, n);
    } else {
      Apply(rule, k, Over{k.weight}, theta + start, sum, a, b, c, n);
    }
  }
}

// Products of float32 values are exact in float64: only the order of the additions decides, and a fused multiply-add gives
// what a product and an addition give.
INLINE double Fold(double* lanes, const float* x, const float* y, size_t n) {
  for (size_t lane = 0; lane < n; lane++) lanes[lane] += static_cast<double>(x[lane]) * static_cast<double>(y[lane]);
  for (size_t half = kLanes / 2; half >= 1; half /= 2)
    for (size_t lane = 0; lane < half; lane++) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

double ChunkDotAnywhere(const float* x, const float* y, size_t n) {
  double lanes[kLanes] = {0};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (size_t lane = 0; lane < kLanes; lane++)
      lanes[lane] += static_cast<double>(x[i + lane]) * static_cast<double>(y[i + lane]);
  return Fold(lanes, x + i, y + i, n - i);
}

#ifdef __x86_64__
/// Twice as fast as what the compiler makes of the loop above.
__attribute__((target("avx2,fma"))) double ChunkDotFma(const float* x, const float* y, size_t n) {
  __m256d sums[4] = {_mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd(), _mm256_setzero_pd()};
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (size_t k = 0; k < 4; k++)
      sums[k] = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm_loadu_ps(x + i + 4 * k)),
                                _mm256_cvtps_pd(_mm_loadu_ps(y + i + 4 * k)), sums[k]);
  double lanes[kLanes];
  for (size_t k = 0; k < 4; k++) _mm256_storeu_pd(lanes + 4 * k, sums[k]);
  return Fold(lanes, x + i, y + i, n - i);
}
const auto ChunkDot =
    __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? ChunkDotFma : ChunkDotAnywhere;
#else
const auto ChunkDot = ChunkDotAnywhere;
#endif

void SumSquares(const float* x, size_t n, double* out) {
  for (size_t from = 0; from < n; from += kChunk) {
    const size_t length = n - from < kChunk ? n - from : kChunk;
    *out++ = ChunkDot(x + from, x + from, length);
  }
}

double Dot(const float* x, const float* y, size_t n) {
  double sum = 0;
  for (size_t from = 0; from < n; from += kChunk)
    sum += ChunkDot(x + from, y + from, n - from < kChunk ? n - from : kChunk);
  return sum;
}

// Magnitudes of floats are ordered as the integers of their bits; NaNs are above infinity.
TARGETS uint32_t LargestMagnitude(const uint32_t* __restrict__ bits, size_t n) {
  uint32_t largest = 0;
  for (size_t i = 0; i < n; i++) {
    const uint32_t magnitude = bits[i] & 0x7fffffffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}

TARGETS void PackBf16(const uint32_t* __restrict__ x, uint16_t* __restrict__ out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    const uint32_t b = x[i];
    const uint32_t rounded = (b + 0x7fffu + ((b >> 16) & 1u)) >> 16;
    out[i] = static_cast<uint16_t>((b & 0x7fffffffu) > 0x7f800000u ? (b >> 16) | 0x40u : rounded);
  }
}

TARGETS void UnpackBf16(const uint16_t* __restrict__ x, uint32_t* __restrict__ out, size_t n) {
  for (size_t i = 0; i < n; i++) out[i] = static_cast<uint32_t>(x[i]) << 16;
}

// From JavaScript ----------------------------------------------------------------------------------------------------

double Number(napi_env env, napi_value value) {
  double number = 0;
  napi_get_value_double(env, value, &number);
  return number;
}

napi_value FromNumber(napi_env env, double number) {
  napi_value value;
  napi_create_double(env, number, &value);
  return value;
}

/// Wrong arguments would write where they must not: refused here, at the cost of nothing.
napi_value Refuse(napi_env env, const char* what) {
  napi_throw_range_error(env, nullptr, what);
  return nullptr;
}

bool IsFloats(const Array& array) { return array.type == napi_float32_array; }

napi_value AddIntoJs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array target(env, arguments[0]), source(env, arguments[1]);
  if (!IsFloats(target) || !IsFloats(source) || source.length < target.length)
    return Refuse(env, "addInto(target, source) needs two Float32Arrays of one length");
  AddInto(target.as<float>(), source.as<float>(), target.length);
  return nullptr;
}

napi_value AddScaledJs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array target(env, arguments[0]), source(env, arguments[2]);
  if (!IsFloats(target) || !IsFloats(source) || source.length < target.length)
    return Refuse(env, "addScaled(target, factor, source) needs two Float32Arrays of one length");
  AddScaled(target.as<float>(), static_cast<float>(Number(env, arguments[1])), source.as<float>(), target.length);
  return nullptr;
}

napi_value ScaleJs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array x(env, arguments[0]);
  if (!IsFloats(x)) return Refuse(env, "scale(x, factor) needs a Float32Array");
  Scale(x.as<float>(), static_cast<float>(Number(env, arguments[1])), x.length);
  return nullptr;
}

/// Whether an order of additions makes one sum of vectors that are there, and how it can be carried out.
bool IsOrder(const Array& order, size_t vectors) {
  size_t waiting = 0;
  for (size_t k = 0; k < order.length; k++) {
    const int32_t each = order.as<int32_t>()[k];
    if (each == kAdd) {
      if (waiting-- < 2) return false;
    } else if (each < 0 || static_cast<size_t>(each) >= vectors || waiting++ == kMostWaiting) {
      return false;
    }
  }
  return waiting == 1;
}

/// step(rule, constants, theta, vectors, order, from, to, slot0?, slot1?, slot2?)
napi_value StepJs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const int rule = static_cast<int>(Number(env, arguments[0]));
  const Array constants(env, arguments[1]), theta(env, arguments[2]), order(env, arguments[4]);
  const size_t from = static_cast<size_t>(Number(env, arguments[5]));
  const size_t to = static_cast<size_t>(Number(env, arguments[6]));
  if (rule < 0 || rule >= kRules) return Refuse(env, "step: there is no such rule");
  uint32_t count = 0;
  napi_get_array_length(env, arguments[3], &count);
  if (order.type != napi_int32_array || !IsOrder(order, count))
    return Refuse(env, "step: the order of additions does not make one sum of the vectors");
  bool fits = IsFloats(constants) && constants.length * sizeof(float) >= sizeof(Constants) && IsFloats(theta) &&
              from <= to && theta.length >= to;
  std::vector<const float*> vectors(count);
  for (uint32_t i = 0; i < count && fits; i++) {
    napi_value element;
    napi_get_element(env, arguments[3], i, &element);
    const Array vector(env, element);
    fits = IsFloats(vector) && vector.length >= to;
    if (fits) vectors[i] = vector.as<float>();
  }
  float* slots[3] = {nullptr, nullptr, nullptr};
  for (int i = 0; i < kSlots[rule] && fits; i++) {
    const Array slot(env, arguments[7 + i]);
    fits = IsFloats(slot) && slot.length >= to;
    if (fits) slots[i] = slot.as<float>();
  }
  if (!fits) return Refuse(env, "step needs Float32Arrays of at least `to` elements, and the rule's slots");
  Constants k;
  std::memcpy(&k, constants.data, sizeof k);
  const Addends addends{vectors.data(), order.as<int32_t>(), order.length};
  Step(static_cast<Rule>(rule), k, theta.as<float>(), addends, from, to, slots[0], slots[1], slots[2]);
  return nullptr;
}

napi_value SumSquaresJs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array x(env, arguments[0]), out(env, arguments[1]);
  if (!IsFloats(x) || out.type != napi_float64_array || out.length < (x.length + kChunk - 1) / kChunk)
    return Refuse(env, "sumSquares(x, out) needs a Float32Array and a Float64Array with a place for every chunk");
  SumSquares(x.as<float>(), x.length, out.as<double>());
  return nullptr;
}

napi_value DotJs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array x(env, arguments[0]), y(env, arguments[1]);
  if (!IsFloats(x) || !IsFloats(y) || y.length < x.length)
    return Refuse(env, "dot(x, y) needs two Float32Arrays of one length");
  return FromNumber(env, Dot(x.as<float>(), y.as<float>(), x.length));
}

napi_value AbsMaxJs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array x(env, arguments[0]);
  if (!IsFloats(x)) return Refuse(env, "absMax(x) needs a Float32Array");
  const uint32_t bits = LargestMagnitude(x.as<uint32_t>(), x.length);
  float largest;
  std::memcpy(&largest, &bits, sizeof largest);
  return FromNumber(env, largest);
}

napi_value FirstNonFiniteJs(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array x(env, arguments[0]);
  if (!IsFloats(x)) return Refuse(env, "firstNonFinite(x) needs a Float32Array");
  constexpr uint32_t kInfinity = 0x7f800000u;
  const uint32_t* bits = x.as<uint32_t>();
  for (size_t from = 0; from < x.length; from += kChunk) {
    const size_t to = x.length - from < kChunk ? x.length : from + kChunk;
    if (LargestMagnitude(bits + from, to - from) < kInfinity) continue;
    for (size_t i = from; i < to; i++)
      if ((bits[i] & kInfinity) == kInfinity) return FromNumber(env, static_cast<double>(i));
  }
  return FromNumber(env, -1);
}

napi_value PackBf16Js(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array x(env, arguments[0]), out(env, arguments[1]);
  if (!IsFloats(x) || out.type != napi_uint16_array || out.length < x.length)
    return Refuse(env, "packBf16(x, out) needs a Float32Array and a Uint16Array of its length");
  PackBf16(x.as<uint32_t>(), out.as<uint16_t>(), x.length);
  return nullptr;
}

napi_value UnpackBf16Js(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array x(env, arguments[0]), out(env, arguments[1]);
  if (!IsFloats(out) || x.type != napi_uint16_array || out.length < x.length)
    return Refuse(env, "unpackBf16(x, out) needs a Uint16Array and a Float32Array of its length");
  UnpackBf16(x.as<uint16_t>(), out.as<uint32_t>(), x.length);
  return nullptr;
}

}  // namespace

void RegisterKernels(napi_env env, napi_value exports) {
  Export(env, exports, "addInto", AddIntoJs);
  Export(env, exports, "addScaled", AddScaledJs);
  Export(env, exports, "scale", ScaleJs);
  Export(env, exports, "step", StepJs);
  Export(env, exports, "sumSquares", SumSquaresJs);
  Export(env, exports, "dot", DotJs);
  Export(env, exports, "absMax", AbsMaxJs);
  Export(env, exports, "firstNonFinite", FirstNonFiniteJs);
  Export(env, exports, "packBf16", PackBf16Js);
  Export(env, exports, "unpackBf16", UnpackBf16Js);
}

}  // namespace sheaf
