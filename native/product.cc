#include "product.h"

#if defined(__x86_64__) && defined(__linux__) && __has_include(<amxint8intrin.h>) && __has_include(<amxbf16intrin.h>)
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "bfloat16_product.h"
#include "float32_product.h"

namespace sheaf {
namespace {

/// Rows whose sums are kept at once, at most 4 MiB of them.
constexpr size_t kMostRows = 2048;

bool RequestMatrixUnits() {
  constexpr int kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr int kTileData = 18;
  __builtin_cpu_init();
  unsigned a = 7, b = 0, c = 0, d = 0;
  __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  const auto has = [d](int bit) { return (d >> bit & 1) == 1; };
  const bool bfloat16 = has(22), tiles = has(24), integers = has(25);
  return bfloat16 && tiles && integers && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl") && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

}  // namespace

bool HasMatrixUnits() {
  static const bool has = RequestMatrixUnits();
  return has;
}

bool MatrixProduct(Factors factors, const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                   const Epilogue& epilogue, float* product) {
  if (columns == 0) return true;
  const auto multiply = factors == Factors::kBfloat16 ? MultiplyBfloat16 : MultiplyFloat32;
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

bool MatrixProduct(Factors, const Operand&, const Operand&, size_t, size_t, size_t, const Epilogue&, float*) { return false; }

}  // namespace sheaf

#endif
