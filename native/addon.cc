#include "addon.h"

/// Hash of the sources (scripts/addon.mjs); src/native/addon.ts refuses an add-on of others.
#ifndef SHEAF_SOURCES
#define SHEAF_SOURCES ""
#endif

static napi_value Init(napi_env env, napi_value exports) {
  sheaf::RegisterSharedMemory(env, exports);
  sheaf::RegisterKernels(env, exports);
  sheaf::RegisterGraphSession(env, exports);
  sheaf::RegisterMatrixUnits(env, exports);
  napi_value sources;
  napi_create_string_utf8(env, SHEAF_SOURCES, NAPI_AUTO_LENGTH, &sources);
  napi_set_named_property(env, exports, "sources", sources);
  return exports;
}

NAPI_MODULE(NODE_GYP_MODULE_NAME, Init)
