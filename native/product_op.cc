// The op `SheafMatMul`: what TensorFlow's MatMul and BatchMatMulV2 compute of float32 matrices, on the processor's matrix
// units (product.h), with what often comes after it. One thread: for processes that give an operation one thread.
//
// Inputs: left and right, matrices or equally many of them (one serves all); where there are some, `rows`: the numbers of those
// rows of left, then one matrix, that are the factor (a vector, or a matrix of them for many products); and what the epilogue
// takes: "bias" and "bias_relu" a vector, "where_positive" a tensor of the product's shape. An output whose `destination` is the
// number of an array that takes it is computed there.
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
  Factors factors;
  bool gathered;
  int destination;
  enum { kNone, kBias, kBiasRelu, kWherePositive } epilogue;
};

void* Create(void* context) {
  const Status status(*tensorflow);
  unsigned char left = 0;
  unsigned char right = 0;
  unsigned char rounded = 0;
  int32_t gathered = 0;
  int32_t destination = 0;
  char epilogue[32] = {};
  tensorflow->OpKernelConstruction_GetAttrBool(context, "transpose_left", &left, status.get());
  tensorflow->OpKernelConstruction_GetAttrBool(context, "transpose_right", &right, status.get());
  tensorflow->OpKernelConstruction_GetAttrBool(context, "rounded", &rounded, status.get());
  tensorflow->OpKernelConstruction_GetAttrInt32(context, "R", &gathered, status.get());
  tensorflow->OpKernelConstruction_GetAttrInt32(context, "destination", &destination, status.get());
  tensorflow->OpKernelConstruction_GetAttrString(context, "epilogue", epilogue, sizeof(epilogue) - 1, status.get());
  if (!status.Ok()) tensorflow->OpKernelConstruction_Failure(context, status.get());
  const auto is = [&](const char* name) { return std::strcmp(epilogue, name) == 0; };
  return new Product{left != 0, right != 0, rounded ? Factors::kBfloat16 : Factors::kFloat32, gathered > 0, destination,
                     is("bias")             ? Product::kBias
                     : is("bias_relu")      ? Product::kBiasRelu
                     : is("where_positive") ? Product::kWherePositive
                                            : Product::kNone};
}

/// One or many matrices.
struct Matrices {
  const float* data = nullptr;
  /// Numbers of rows of `data` that the matrices consist of; none: they lie there one after another.
  const int32_t* chosen = nullptr;
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

  /// @return what is wrong, or nothing
  const char* Choose(const void* numbers) {
    const int64_t all = rows;
    const int dimensions = tensorflow->NumDims(numbers);
    if (rank != 2 || (dimensions != 1 && dimensions != 2)) return "rows are chosen from one matrix, by a vector or a matrix";
    chosen = static_cast<const int32_t*>(tensorflow->TensorData(numbers));
    rank = dimensions + 1;
    count = dimensions == 2 ? tensorflow->Dim(numbers, 0) : 1;
    rows = tensorflow->Dim(numbers, dimensions - 1);
    for (int64_t i = 0; i < count * rows; i++)
      if (chosen[i] < 0 || chosen[i] >= all) return "there is no row of a chosen number";
    return nullptr;
  }

  Operand At(int64_t i, bool transposed) const {
    const int64_t before = (count == 1 ? 0 : i) * rows;
    const auto stride = static_cast<size_t>(columns);
    if (chosen) return {data, stride, transposed, chosen + before};
    return {data + before * columns, stride, transposed};
  }
};

/// The output, in its destination where it fits there.
void* Output(void* context, int destination, const int64_t* shape, int rank, size_t bytes, const Status& status) {
  if (destinations && destination >= 0 && static_cast<size_t>(destination) < destinations->size()) {
    const Destination& given = (*destinations)[destination];
    if (given.bytes == bytes && bytes > 0 && reinterpret_cast<uintptr_t>(given.data) % kAlignment == 0) {
      void* tensor =
          tensorflow->NewTensor(kFloat, shape, rank, given.data, bytes, [](void*, size_t, void*) {}, nullptr);
      tensorflow->SetOutput(context, 0, tensor, status.get());
      return tensor;
    }
  }
  return tensorflow->AllocateOutput(context, 0, kFloat, shape, rank, bytes, status.get());
}

void Compute(void* kernel, void* context) {
  const Product& product = *static_cast<Product*>(kernel);
  const Status status(*tensorflow);
  void* inputs[4] = {};
  void* output = nullptr;
  const auto compute = [&]() -> const char* {
    const bool finished = product.epilogue != Product::kNone;
    const int given = 2 + finished + product.gathered;
    for (int i = 0; i < given; i++) {
      tensorflow->GetInput(context, i, &inputs[i], status.get());
      if (!status.Ok()) return nullptr;
    }
    Matrices left(inputs[0]);
    const Matrices right(inputs[1]);
    if (product.gathered)
      if (const char* problem = left.Choose(inputs[2])) return problem;
    if (left.rank != right.rank || left.rank < 2 || left.rank > 3) return "factors are matrices, or lists of matrices";
    const int64_t rows = product.transpose_left ? left.columns : left.rows;
    const int64_t inner = product.transpose_left ? left.rows : left.columns;
    const int64_t columns = product.transpose_right ? right.rows : right.columns;
    if (inner != (product.transpose_right ? right.columns : right.rows)) return "the matrices' inner dimensions differ";
    if (left.count != right.count && left.count != 1 && right.count != 1) return "there are not as many left as right factors";
    const int64_t count = left.count == 1 ? right.count : left.count;
    const size_t bytes = count * rows * columns * sizeof(float);
    Epilogue epilogue;
    if (finished) {
      const bool bias = product.epilogue != Product::kWherePositive;
      const void* other = inputs[given - 1];
      if (tensorflow->TensorByteSize(other) != (bias ? columns * sizeof(float) : bytes))
        return "the epilogue's input has another shape";
      const auto* values = static_cast<const float*>(tensorflow->TensorData(other));
      (bias ? epilogue.bias : epilogue.where_positive) = values;
      epilogue.relu = product.epilogue == Product::kBiasRelu;
    }
    const int64_t shape[3] = {count, rows, columns};
    output = Output(context, product.destination, shape + (3 - left.rank), left.rank, bytes, status);
    if (!status.Ok()) return nullptr;
    auto* values = static_cast<float*>(tensorflow->TensorData(output));
    for (int64_t i = 0; i < count; i++) {
      Epilogue own = epilogue;
      if (own.where_positive) own.where_positive += i * rows * columns;
      if (!MatrixProduct(product.factors, left.At(i, product.transpose_left), right.At(i, product.transpose_right), rows, columns,
                         inner, own, values + i * rows * columns))
        return "no memory to multiply in";
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
  tensorflow->OpDefinitionBuilderAddInput(op, "rows: R * int32");
  tensorflow->OpDefinitionBuilderAddInput(op, "others: N * float");
  tensorflow->OpDefinitionBuilderAddOutput(op, "product: float");
  tensorflow->OpDefinitionBuilderAddAttr(op, "N: int >= 0");
  tensorflow->OpDefinitionBuilderAddAttr(op, "R: int >= 0");
  tensorflow->OpDefinitionBuilderAddAttr(op, "destination: int");
  tensorflow->OpDefinitionBuilderAddAttr(op, "transpose_left: bool");
  tensorflow->OpDefinitionBuilderAddAttr(op, "transpose_right: bool");
  tensorflow->OpDefinitionBuilderAddAttr(op, "rounded: bool");
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

thread_local const std::vector<Destination>* destinations = nullptr;

void RegisterMatrixUnits(napi_env env, napi_value exports) { Export(env, exports, "hasMatrixUnits", HasUnits); }

void RegisterProductOp(const Library& library) {
  static std::once_flag once;
  std::call_once(once, [&] {
    tensorflow = &library;
    if (HasMatrixUnits()) Register();
  });
}

}  // namespace sheaf
