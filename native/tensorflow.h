// The TensorFlow library that tfjs-node has loaded into this process, through its C API.
#pragma once
#include <vector>

#include "addon.h"

namespace sheaf {

// As in tensorflow/c/{c_api,ops,kernels}.h, stable by TensorFlow's promise of binary compatibility; all else there is opaque.
struct TF_Output {
  void* operation;
  int index;
};
constexpr int kFloat = 1;
constexpr int kInt32 = 3;
constexpr int kInvalidArgument = 3;
/// EIGEN_MAX_ALIGN_BYTES of TensorFlow's widest builds: tensors over other memory are copied.
constexpr size_t kAlignment = 64;

/// The functions of the C API that are needed, without their prefix.
struct Library {
  void* (*NewStatus)();
  void (*DeleteStatus)(void*);
  int (*GetCode)(const void*);
  const char* (*Message)(const void*);
  void* (*NewGraph)();
  void (*DeleteGraph)(void*);
  void* (*NewSessionOptions)();
  void (*DeleteSessionOptions)(void*);
  void (*SetConfig)(void*, const void*, size_t, void*);
  void* (*NewSession)(void*, const void*, void*);
  void* (*NewBufferFromString)(const void*, size_t);
  void (*DeleteBuffer)(void*);
  void* (*NewImportGraphDefOptions)();
  void (*DeleteImportGraphDefOptions)(void*);
  void (*ImportGraphDefOptionsSetPrefix)(void*, const char*);
  void (*GraphImportGraphDef)(void*, const void*, const void*, void*);
  void (*CloseSession)(void*, void*);
  void (*DeleteSession)(void*, void*);
  void* (*GraphOperationByName)(void*, const char*);
  void* (*NewTensor)(int, const int64_t*, int, void*, size_t, void (*)(void*, size_t, void*), void*);
  void (*DeleteTensor)(void*);
  void* (*TensorData)(const void*);
  size_t (*TensorByteSize)(const void*);
  int (*TensorType)(const void*);
  void (*SessionRun)(void*, const void*, const TF_Output*, void* const*, int, const TF_Output*, void**, int,
                     const void* const*, int, void*, void*);
  void* (*NewOpDefinitionBuilder)(const char*);
  void (*OpDefinitionBuilderAddInput)(void*, const char*);
  void (*OpDefinitionBuilderAddOutput)(void*, const char*);
  void (*OpDefinitionBuilderAddAttr)(void*, const char*);
  void (*OpDefinitionBuilderSetShapeInferenceFunction)(void*, void (*)(void*, void*));
  void (*RegisterOpDefinition)(void*, void*);
  void (*ShapeInferenceContextSetUnknownShape)(void*, void*);
  void* (*NewKernelBuilder)(const char*, const char*, void* (*)(void*), void (*)(void*, void*), void (*)(void*));
  void (*RegisterKernelBuilder)(const char*, void*, void*);
  void (*OpKernelConstruction_GetAttrBool)(void*, const char*, unsigned char*, void*);
  void (*OpKernelConstruction_GetAttrInt32)(void*, const char*, int32_t*, void*);
  void (*OpKernelConstruction_GetAttrString)(void*, const char*, char*, size_t, void*);
  void (*OpKernelConstruction_Failure)(void*, void*);
  void (*GetInput)(void*, int, void**, void*);
  void* (*AllocateOutput)(void*, int, int, const int64_t*, int, size_t, void*);
  void (*SetOutput)(void*, int, const void*, void*);
  void (*OpKernelContext_Failure)(void*, void*);
  int (*NumDims)(const void*);
  int64_t (*Dim)(const void*, int);
  void (*SetStatus)(void*, int, const char*);
};

/// Found when it is first asked for; throws a JavaScript error and gives nothing where TensorFlow is not loaded, or too old.
const Library* LoadedLibrary(napi_env env);

/// A status of the C API; throws what went wrong as a JavaScript error.
class Status {
 public:
  explicit Status(const Library& library) : library_(library), status_(library.NewStatus()) {}
  ~Status() { library_.DeleteStatus(status_); }
  void* get() const { return status_; }
  bool Ok() const { return library_.GetCode(status_) == 0; }
  bool Failed(napi_env env) const {
    if (Ok()) return false;
    napi_throw_error(env, nullptr, library_.Message(status_));
    return true;
  }

 private:
  const Library& library_;
  void* status_;
};

/// An array of the caller's that takes an output.
struct Destination {
  void* data = nullptr;
  size_t bytes = 0;
};

/// Of the run that goes on in this thread, by the outputs' numbers; none: outputs are copied.
extern thread_local const std::vector<Destination>* destinations;

/// Makes the op `SheafMatMul` known to TensorFlow (product_op.cc), once a process.
void RegisterProductOp(const Library& library);

}  // namespace sheaf
