// Float32 matrix products on the matrix units of the processor (Intel AMX), which multiply bfloat16 only.
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

/// How many bfloat16 terms stand for a float32 number (Henry, Tang, Heinecke: Leveraging the bfloat16 Artificial Intelligence
/// Datatype For Higher-Precision Computations, 2019). Three hold all of its 24 bits, and the six products of terms that reach
/// into float32's precision make a product at least as exact as a float32 loop's. Two hold 16 bits, with three products. One
/// rounds it to bfloat16.
enum class Terms { kOne = 1, kTwo = 2, kThree = 3 };

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
/// column and nothing else: not on how many others there are.
bool MatrixProduct(Terms terms, const Operand& left, const Operand& right, size_t rows, size_t columns, size_t inner,
                   const Epilogue& epilogue, float* product);

}  // namespace sheaf
