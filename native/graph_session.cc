// Runs graphs in the TensorFlow library that tfjs-node has loaded into this process, through its C API.
// Beside tfjs-node's own `runSavedModel`: outputs are written into arrays of the caller (one in shared memory too), and
// names are looked up once. For 784-128-64-10 and 128 rows a call that saves 0.2 of 0.9 ms, most of it new memory's page faults.
#include <pthread.h>
#include <signal.h>

#include <cstdlib>
#include <vector>

#ifdef __SSE2__
#include <xmmintrin.h>
#endif

#include "addon.h"
#include "tensorflow.h"

namespace sheaf {
namespace {

struct Session {
  const Library* library;
  /// A serialised RunOptions, or none.
  const void* options;
  void* graph;
  void* session;

  void Close() {
    if (!session) return;
    Status status(*library);
    library->CloseSession(session, status.get());
    library->DeleteSession(session, status.get());
    library->DeleteGraph(graph);
    session = nullptr;
  }
};

/// Inputs and outputs of a call, looked up.
struct Call {
  Session* session;
  std::vector<TF_Output> inputs;
  std::vector<TF_Output> outputs;
};

uint32_t Length(napi_env env, napi_value array) {
  uint32_t length = 0;
  napi_get_array_length(env, array, &length);
  return length;
}

napi_value Element(napi_env env, napi_value array, uint32_t index) {
  napi_value value;
  napi_get_element(env, array, index, &value);
  return value;
}

/// As a value of JavaScript's, closed when it is collected at the latest.
napi_value Wrapped(napi_env env, Session* session) {
  napi_value external;
  const auto finalize = [](napi_env, void* data, void*) {
    auto* kept = static_cast<Session*>(data);
    kept->Close();
    delete kept;
  };
  napi_create_external(env, session, finalize, nullptr, &external);
  return external;
}

/// A serialised ConfigProto: graph_options { rewrite_options { arithmetic_optimization: OFF } }. TensorFlow would make one AddN of
/// several additions, which adds in another order than the canonical tree.
constexpr unsigned char kConfig[] = {0x52, 0x04, 0x52, 0x02, 0x38, 0x02};

/// A serialised RunOptions { inter_op_thread_pool: -1 }: the graph runs in the calling thread, which would only wait. A small
/// network's step is 5 to 10 % shorter without two changes of threads.
constexpr unsigned char kInCallingThread[] = {0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};

/// newGraph(inCallingThread): empty, with its session.
napi_value NewGraph(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  bool in_calling_thread = false;
  napi_get_value_bool(env, arguments[0], &in_calling_thread);
  const Library* library = LoadedLibrary(env);
  if (!library) return nullptr;
  RegisterProductOp(*library);
  Status status(*library);
  void* graph = library->NewGraph();
  void* options = library->NewSessionOptions();
  library->SetConfig(options, kConfig, sizeof(kConfig), status.get());
  void* opened = library->NewSession(graph, options, status.get());
  static const void* run_options = library->NewBufferFromString(kInCallingThread, sizeof(kInCallingThread));
  library->DeleteSessionOptions(options);
  if (status.Failed(env)) {
    library->DeleteGraph(graph);
    return nullptr;
  }
  return Wrapped(env, new Session{library, in_calling_thread ? run_options : nullptr, graph, opened});
}

/// extendGraph(graph, definition, prefix): adds the nodes of a serialised GraphDef, their names as `prefix/name`.
napi_value ExtendGraph(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Session& session = External<Session>(env, arguments[0]);
  const Library& library = *session.library;
  const Array definition(env, arguments[1]);
  void* buffer = library.NewBufferFromString(definition.data, definition.length);
  void* options = library.NewImportGraphDefOptions();
  library.ImportGraphDefOptionsSetPrefix(options, Text(env, arguments[2]).c_str());
  Status status(library);
  library.GraphImportGraphDef(session.graph, buffer, options, status.get());
  library.DeleteImportGraphDefOptions(options);
  library.DeleteBuffer(buffer);
  status.Failed(env);
  return nullptr;
}

bool LookUp(napi_env env, const Session& session, napi_value names, std::vector<TF_Output>* found) {
  for (uint32_t i = 0, n = Length(env, names); i < n; i++) {
    const std::string name = Text(env, Element(env, names, i));
    const size_t colon = name.rfind(':');
    void* operation = session.library->GraphOperationByName(session.graph, name.substr(0, colon).c_str());
    if (!operation) {
      napi_throw_error(env, nullptr, ("the graph has no " + name).c_str());
      return false;
    }
    found->push_back({operation, std::stoi(name.substr(colon + 1))});
  }
  return true;
}

/// prepareCall(graph, inputs, outputs): names as `node:port`. The graph must live longer than the call.
napi_value PrepareCall(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  auto* call = new Call{&External<Session>(env, arguments[0]), {}, {}};
  if (!LookUp(env, *call->session, arguments[1], &call->inputs) ||
      !LookUp(env, *call->session, arguments[2], &call->outputs)) {
    delete call;
    return nullptr;
  }
  napi_value external;
  napi_create_external(
      env, call, [](napi_env, void* kept, void*) { delete static_cast<Call*>(kept); }, nullptr, &external);
  return external;
}

/// Tensors of one run, deleted at its end.
class Tensors {
 public:
  Tensors(const Library& library, size_t count) : library_(library), tensors_(count, nullptr) {}
  ~Tensors() {
    for (void* tensor : tensors_)
      if (tensor) library_.DeleteTensor(tensor);
  }
  void*& operator[](size_t i) { return tensors_[i]; }
  void** data() { return tensors_.data(); }

 private:
  const Library& library_;
  std::vector<void*> tensors_;
};

/// A tensor over a typed array's memory: no copy where it is aligned to 64 bytes.
void* Feed(napi_env env, const Library& library, napi_value values, napi_value shape) {
  const Array array(env, values);
  if (array.type != napi_float32_array && array.type != napi_int32_array) {
    napi_throw_type_error(env, nullptr, "a graph takes Float32Arrays and Int32Arrays");
    return nullptr;
  }
  int64_t dimensions[8];
  const uint32_t rank = Length(env, shape);
  size_t elements = 1;
  for (uint32_t i = 0; i < rank && i < 8; i++) {
    napi_get_value_int64(env, Element(env, shape, i), &dimensions[i]);
    elements *= dimensions[i];
  }
  if (rank > 8 || elements != array.length) {
    napi_throw_range_error(env, nullptr, "an array's length is not that of its shape");
    return nullptr;
  }
  const int type = array.type == napi_float32_array ? kFloat : kInt32;
  return library.NewTensor(type, dimensions, rank, array.data, array.length * 4, [](void*, size_t, void*) {}, nullptr);
}

/// Copies a tensor into `into`, or into a new array where that is none.
napi_value Fetch(napi_env env, const Library& library, void* tensor, napi_value into) {
  const size_t bytes = library.TensorByteSize(tensor);
  bool given = false;
  napi_is_typedarray(env, into, &given);
  if (given) {
    const Array array(env, into);
    if (array.length * 4 != bytes) {
      napi_throw_range_error(env, nullptr, "an output has another length than the array that is to take it");
      return nullptr;
    }
    const void* values = library.TensorData(tensor);
    if (values != array.data) std::memcpy(array.data, values, bytes);
    return into;
  }
  napi_value buffer;
  napi_value values;
  void* memory = nullptr;
  napi_create_arraybuffer(env, bytes, &memory, &buffer);
  if (bytes > 0) std::memcpy(memory, library.TensorData(tensor), bytes);
  const auto type = library.TensorType(tensor) == kInt32 ? napi_int32_array : napi_float32_array;
  napi_create_typedarray(env, type, bytes / 4, buffer, 0, &values);
  return values;
}

/// What TensorFlow's own threads have and the calling thread has not, and where outputs go. Denormal numbers count as 0, which
/// is faster, and the same bits. Signals wait: a kernel that oneDNN generated does not survive one (a profiler's, found by what
/// malloc said then).
class ComputingThread {
 public:
  explicit ComputingThread(const std::vector<Destination>* taking) {
    destinations = taking;
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &signals_);
#ifdef __SSE2__
    control_ = _mm_getcsr();
    _mm_setcsr(control_ | 0x8040);
#endif
  }
  ~ComputingThread() {
#ifdef __SSE2__
    _mm_setcsr(control_);
#endif
    pthread_sigmask(SIG_SETMASK, &signals_, nullptr);
    destinations = nullptr;
  }

 private:
  sigset_t signals_;
  unsigned control_ = 0;
};

/// runCall(call, arrays, shapes, into): gives the outputs, each in the array of `into` at its place, if there is one.
napi_value RunCall(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Call& call = External<Call>(env, arguments[0]);
  if (!call.session->session) {
    napi_throw_error(env, nullptr, "the graph's session is closed");
    return nullptr;
  }
  const Library& library = *call.session->library;
  Tensors fed(library, call.inputs.size());
  Tensors fetched(library, call.outputs.size());
  for (size_t i = 0; i < call.inputs.size(); i++) {
    fed[i] = Feed(env, library, Element(env, arguments[1], i), Element(env, arguments[2], i));
    if (!fed[i]) return nullptr;
  }
  Status status(library);
  std::vector<Destination> taking(call.outputs.size());
  for (size_t i = 0; i < taking.size(); i++) {
    const Array array(env, Element(env, arguments[3], i));
    if (array.data) taking[i] = {array.data, array.length * 4};
  }
  {
    const ComputingThread computing(&taking);
    library.SessionRun(call.session->session, call.session->options, call.inputs.data(), fed.data(), call.inputs.size(),
                       call.outputs.data(), fetched.data(), call.outputs.size(), nullptr, 0, nullptr, status.get());
  }
  if (status.Failed(env)) return nullptr;
  napi_value results;
  napi_create_array_with_length(env, call.outputs.size(), &results);
  for (size_t i = 0; i < call.outputs.size(); i++) {
    napi_value values = Fetch(env, library, fetched[i], Element(env, arguments[3], i));
    if (!values) return nullptr;
    napi_set_element(env, results, i, values);
  }
  return results;
}

/// alignedMemory(bytes): zeros, aligned as a graph reads them without a copy.
napi_value AlignedMemory(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  int64_t bytes = 0;
  napi_get_value_int64(env, arguments[0], &bytes);
  const size_t whole = (static_cast<size_t>(bytes) / kAlignment + 1) * kAlignment;
  void* memory = std::aligned_alloc(kAlignment, whole);
  if (!memory) {
    napi_throw_error(env, nullptr, ("no memory for " + std::to_string(bytes) + " bytes").c_str());
    return nullptr;
  }
  std::memset(memory, 0, whole);
  const auto release = [](napi_env, void* data, void*) { std::free(data); };
  napi_value buffer;  // its bytes are counted by V8 itself, see MapFile
  if (napi_create_external_arraybuffer(env, memory, bytes, release, nullptr, &buffer) != napi_ok) {
    std::free(memory);
    napi_throw_error(env, nullptr, "this JavaScript engine allows no external buffers");
    return nullptr;
  }
  return buffer;
}

/// closeGraph(graph): frees what is resident in it.
napi_value CloseGraph(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  External<Session>(env, arguments[0]).Close();
  return nullptr;
}

}  // namespace

void RegisterGraphSession(napi_env env, napi_value exports) {
  Export(env, exports, "newGraph", NewGraph);
  Export(env, exports, "extendGraph", ExtendGraph);
  Export(env, exports, "alignedMemory", AlignedMemory);
  Export(env, exports, "prepareCall", PrepareCall);
  Export(env, exports, "runCall", RunCall);
  Export(env, exports, "closeGraph", CloseGraph);
}

}  // namespace sheaf
