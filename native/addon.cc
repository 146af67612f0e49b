#include "addon.h"

static napi_value Init(napi_env env, napi_value exports) {
  sheaf::RegisterSharedMemory(env, exports);
  sheaf::RegisterKernels(env, exports);
  sheaf::RegisterGraphSession(env, exports);
  sheaf::RegisterMatrixUnits(env, exports);
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
