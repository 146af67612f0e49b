// The op `SheafMatMul`: what TensorFlow's MatMul and BatchMatMulV2 compute of float32 matrices, on the processor's matrix
// units (product.h), with what often comes after it. One thread: for processes that give an operation one thread.
//
// Inputs: left and right, matrices or equally many of them (one serves all), and what the epilogue takes: "bias" and
// "bias_relu" a vector, "where_positive" a tensor of the product's shape.
#include <cstdint>
#include <cstring>
#include <mutex>

#include "product.h"
#include "tensorflow.h"

namespace sheaf {
namespace {

const Library* tensorflow = nullptr;

struct Product {
  bool transpose_left;
  bool transpose_right;
  Terms terms;
  enum { kNone, kBias, kBiasRelu, kWherePositive } epilogue;
};

void* Create(void* context) {
  const Status status(*tensorflow);
  unsigned char left = 0;
  unsigned char right = 0;
  int32_t terms = 0;
  char epilogue[32] = {};
  tensorflow->OpKernelConstruction_GetAttrBool(context, "transpose_left", &left, status.get());
  tensorflow->OpKernelConstruction_GetAttrBool(context, "transpose_right", &right, status.get());
  tensorflow->OpKernelConstruction_GetAttrInt32(context, "terms", &terms, status.get());
  tensorflow->OpKernelConstruction_GetAttrString(context, "epilogue", epilogue, sizeof(epilogue) - 1, status.get());
  if (!status.Ok()) tensorflow->OpKernelConstruction_Failure(context, status.get());
  const auto is = [&](const char* name) { return std::strcmp(epilogue, name) == 0; };
  return new Product{left != 0, right != 0, static_cast<Terms>(terms),
                     is("bias")             ? Product::kBias
                     : is("bias_relu")      ? Product::kBiasRelu
                     : is("where_positive") ? Product::kWherePositive
                                            : Product::kNone};
}

/// One or many matrices.
struct Matrices {
  const float* data = nullptr;
  int64_t count = 1;
  int64_t rows = 0;
  int64_t columns = 0;
  int rank = 0;

  explicit Matrices(const void* tensor) : rank(tensorflow->NumDims(tensor)) {
    if (rank != 2 && rank != 3) return;
    data = static_cast<const float*>(tensorflow->TensorData(tensor));
    if (rank == 3) count = tensorflow->Dim(tensor, 0);
    rows = tensorflow->Dim(tensor, rank - 2);
    columns = tensorflow->Dim(tensor, rank - 1);
  }

  Operand At(int64_t i, bool transposed) const {
    return {data + (count == 1 ? 0 : i) * rows * columns, static_cast<size_t>(columns), transposed};
  }
};

void Compute(void* kernel, void* context) {
  const Product& product = *static_cast<Product*>(kernel);
  const Status status(*tensorflow);
  void* inputs[3] = {};
  void* output = nullptr;
  const auto compute = [&]() -> const char* {
    const int given = product.epilogue == Product::kNone ? 2 : 3;
    for (int i = 0; i < given; i++) {
      tensorflow->GetInput(context, i, &inputs[i], status.get());
      if (!status.Ok()) return nullptr;
    }
    const Matrices left(inputs[0]);
    const Matrices right(inputs[1]);
    if (left.rank != right.rank || left.rank < 2 || left.rank > 3) return "factors are matrices, or lists of matrices";
    const int64_t rows = product.transpose_left ? left.columns : left.rows;
    const int64_t inner = product.transpose_left ? left.rows : left.columns;
    const int64_t columns = product.transpose_right ? right.rows : right.columns;
    if (inner != (product.transpose_right ? right.columns : right.rows)) return "the matrices' inner dimensions differ";
    if (left.count != right.count && left.count != 1 && right.count != 1) return "there are not as many left as right factors";
    const int64_t count = left.count == 1 ? right.count : left.count;
    const size_t bytes = count * rows * columns * sizeof(float);
    Epilogue epilogue;
    if (given == 3) {
      const bool bias = product.epilogue != Product::kWherePositive;
      if (tensorflow->TensorByteSize(inputs[2]) != (bias ? columns * sizeof(float) : bytes)) return "the epilogue's input has another shape";
      const auto* values = static_cast<const float*>(tensorflow->TensorData(inputs[2]));
      (bias ? epilogue.bias : epilogue.where_positive) = values;
      epilogue.relu = product.epilogue == Product::kBiasRelu;
    }
    const int64_t shape[3] = {count, rows, columns};
    output = tensorflow->AllocateOutput(context, 0, kFloat, shape + (3 - left.rank), left.rank, bytes, status.get());
    if (!status.Ok()) return nullptr;
    auto* values = static_cast<float*>(tensorflow->TensorData(output));
    for (int64_t i = 0; i < count; i++) {
      const Operand factors[] = {left.At(i, product.transpose_left), right.At(i, product.transpose_right)};
      Epilogue own = epilogue;
      if (own.where_positive) own.where_positive += i * rows * columns;
      MatrixProduct(product.terms, factors[0], factors[1], rows, columns, inner, own, values + i * rows * columns);
    }
    return nullptr;
  };
  if (const char* problem = compute()) tensorflow->SetStatus(status.get(), kInvalidArgument, problem);
  if (!status.Ok()) tensorflow->OpKernelContext_Failure(context, status.get());
  for (void* tensor : inputs)
    if (tensor) tensorflow->DeleteTensor(tensor);
  if (output) tensorflow->DeleteTensor(output);
}

void Delete(void* kernel) { delete static_cast<Product*>(kernel); }

void Register() {
  void* op = tensorflow->NewOpDefinitionBuilder("SheafMatMul");
  tensorflow->OpDefinitionBuilderAddInput(op, "left: float");
  tensorflow->OpDefinitionBuilderAddInput(op, "right: float");
  tensorflow->OpDefinitionBuilderAddInput(op, "others: N * float");
  tensorflow->OpDefinitionBuilderAddOutput(op, "product: float");
  tensorflow->OpDefinitionBuilderAddAttr(op, "N: int >= 0");
  tensorflow->OpDefinitionBuilderAddAttr(op, "transpose_left: bool");
  tensorflow->OpDefinitionBuilderAddAttr(op, "transpose_right: bool");
  tensorflow->OpDefinitionBuilderAddAttr(op, "terms: int");
  tensorflow->OpDefinitionBuilderAddAttr(op, "epilogue: {'none', 'bias', 'bias_relu', 'where_positive'}");
  tensorflow->OpDefinitionBuilderSetShapeInferenceFunction(
      op, [](void* context, void* status) { tensorflow->ShapeInferenceContextSetUnknownShape(context, status); });
  const Status status(*tensorflow);
  tensorflow->RegisterOpDefinition(op, status.get());
  void* kernel = tensorflow->NewKernelBuilder("SheafMatMul", "CPU", Create, Compute, Delete);
  tensorflow->RegisterKernelBuilder("SheafMatMul", kernel, status.get());
}

/// hasMatrixUnits()
napi_value HasUnits(napi_env env, napi_callback_info) {
  napi_value has;
  napi_get_boolean(env, HasMatrixUnits(), &has);
  return has;
}

}  // namespace

void RegisterMatrixUnits(napi_env env, napi_value exports) { Export(env, exports, "hasMatrixUnits", HasUnits); }

void RegisterProductOp(const Library& library) {
  static std::once_flag once;
  std::call_once(once, [&] {
    tensorflow = &library;
    if (HasMatrixUnits()) Register();
  });
}

}  // namespace sheaf
