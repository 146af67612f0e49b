// Sheaf's own add-on: what typed arrays need and JavaScript lacks. Plain Node-API, one binary for every Node version.
#pragma once
#include <node_api.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace sheaf {

/// Adds the functions of shared_memory.cc to `exports`.
void RegisterSharedMemory(napi_env env, napi_value exports);

/// Adds the functions of kernels.cc to `exports`.
void RegisterKernels(napi_env env, napi_value exports);

/// Adds the functions of graph_session.cc to `exports`.
void RegisterGraphSession(napi_env env, napi_value exports);

/// Adds the functions of product_op.cc to `exports`.
void RegisterMatrixUnits(napi_env env, napi_value exports);

/// Throws a JavaScript error with errno's text; returns what a callback then gives back.
inline napi_value ThrowErrno(napi_env env, const std::string& what, int code) {
  napi_throw_error(env, nullptr, (what + ": " + std::strerror(code)).c_str());
  return nullptr;
}

inline std::string Text(napi_env env, napi_value value) {
  size_t length = 0;
  napi_get_value_string_utf8(env, value, nullptr, 0, &length);
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, text.data(), length + 1, &length);
  return text;
}

inline void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

/// What a function is called with; undefined where there is no more.
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = kMost;
    napi_get_cb_info(env, info, &count, values_, nullptr, nullptr);
  }
  napi_value operator[](size_t k) const { return values_[k]; }

 private:
  static constexpr size_t kMost = 10;
  napi_value values_[kMost];
};

/// What JavaScript was given to hold.
template <typename T>
T& External(napi_env env, napi_value value) {
  void* data = nullptr;
  napi_get_value_external(env, value, &data);
  return *static_cast<T*>(data);
}

/// The first bytes of a typed array, its length in elements, and its type.
struct Array {
  void* data = nullptr;
  size_t length = 0;
  napi_typedarray_type type = napi_int8_array;

  Array(napi_env env, napi_value value) { napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr); }

  template <typename T>
  T* as() const {
    return static_cast<T*>(data);
  }
};

}  // namespace sheaf
