#include "tensorflow.h"

#include <dlfcn.h>

namespace sheaf {

const Library* LoadedLibrary(napi_env env) {
  static Library library;
  static bool loaded = false;
  if (loaded) return &library;
  void* handle = dlopen("libtensorflow_cc.so.2", RTLD_LAZY | RTLD_NOLOAD);
  if (!handle) {
    napi_throw_error(env, nullptr, "TensorFlow is not loaded in this process");
    return nullptr;
  }
  bool whole = true;
#define FIND(name)                                                                                \
  library.name = reinterpret_cast<decltype(library.name)>(dlsym(handle, "TF_" #name));            \
  if (!library.name && whole) {                                                                   \
    whole = false;                                                                                \
    napi_throw_error(env, nullptr, "this TensorFlow has no TF_" #name);                           \
  }
  FIND(NewStatus)
  FIND(DeleteStatus)
  FIND(GetCode)
  FIND(Message)
  FIND(NewGraph)
  FIND(DeleteGraph)
  FIND(NewSessionOptions)
  FIND(DeleteSessionOptions)
  FIND(SetConfig)
  FIND(NewSession)
  FIND(NewBufferFromString)
  FIND(DeleteBuffer)
  FIND(NewImportGraphDefOptions)
  FIND(DeleteImportGraphDefOptions)
  FIND(ImportGraphDefOptionsSetPrefix)
  FIND(GraphImportGraphDef)
  FIND(CloseSession)
  FIND(DeleteSession)
  FIND(GraphOperationByName)
  FIND(NewTensor)
  FIND(DeleteTensor)
  FIND(TensorData)
  FIND(TensorByteSize)
  FIND(TensorType)
  FIND(SessionRun)
  FIND(NewOpDefinitionBuilder)
  FIND(OpDefinitionBuilderAddInput)
  FIND(OpDefinitionBuilderAddOutput)
  FIND(OpDefinitionBuilderAddAttr)
  FIND(OpDefinitionBuilderSetShapeInferenceFunction)
  FIND(RegisterOpDefinition)
  FIND(ShapeInferenceContextSetUnknownShape)
  FIND(NewKernelBuilder)
  FIND(RegisterKernelBuilder)
  FIND(OpKernelConstruction_GetAttrBool)
  FIND(OpKernelConstruction_GetAttrInt32)
  FIND(OpKernelConstruction_GetAttrString)
  FIND(OpKernelConstruction_Failure)
  FIND(GetInput)
  FIND(AllocateOutput)
  FIND(SetOutput)
  FIND(OpKernelContext_Failure)
  FIND(NumDims)
  FIND(Dim)
  FIND(SetStatus)
#undef FIND
  loaded = whole;
  return whole ? &library : nullptr;
}

}  // namespace sheaf
