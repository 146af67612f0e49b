// Float32 matrix products on the matrix units of the processor (Intel AMX), which multiply 8-bit integers and bfloat16 only.
#pragma once
#include <cstddef>
#include <cstdint>

namespace sheaf {

/// A matrix of float32, row after row, read as it is or transposed.
struct Operand {
  const float* data;
  size_t stride;
  bool transposed;
  /// The rows of `data` that are the matrix's, in their order; none: all.
  const int32_t* rows = nullptr;
};

/// What is multiplied. Float32 numbers are integers of 24 bits in a unit that a line, a row of the left factor or a column of the
/// right one, has in common. An element's error is that of a float32 loop where its line's numbers are alike, and in any case small
/// beside what its row's and its column's largest numbers would make. Products of lines with a number that is not finite are NaN.
enum class Factors { kFloat32, kBfloat16 };

/// What is done to the sum of products before it is written.
struct Epilogue {
  /// Of a row, added to each; or none.
  const float* bias = nullptr;
  bool relu = false;
  /// As large as the product, or none: where it is not above 0 the product becomes 0 (a ReLU's gradient).
  const float* where_positive = nullptr;
};

/// Whether this processor has the units and the system lets this process use them.
bool HasMatrixUnits();

/// product [rows, columns] = left [rows, inner] x right [inner, columns], dense. One thread; memory for packed operands and
/// sums, some MiB, is kept for the thread's next call; false where there is none. An element's bits depend on its row, its
/// column and, with float32, the right factor, and nothing else: not on how many other rows there are.
bool MatrixProduct(Factors factors, const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                   const Epilogue& epilogue, float* product);

}  // namespace sheaf
