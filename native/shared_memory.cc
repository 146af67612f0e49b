// Files mapped as ArrayBuffers: memory that the processes of one host share (in /dev/shm), or what is only read. And waiting for
// a change of a shared word without polling. Atomics.load and Atomics.store work on such a buffer; Atomics.wait does not.
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

#include "addon.h"

namespace sheaf {
namespace {

/// A process may have 65,530 mappings (vm.max_map_count). At that limit malloc, V8 and new threads fail too, so files stay well
/// below it.
constexpr int kMostMappings = 16384;
std::atomic<int> mappings{0};

/// Pages mapped for an ArrayBuffer, which may begin within the first. V8 itself counts an ArrayBuffer's bytes as memory that
/// collecting it frees; counted here again they would make it collect twice as often.
struct Mapping {
  void* pages;
  size_t length;
};

void Unmap(napi_env, void*, void* hint) {
  auto* mapping = static_cast<Mapping*>(hint);
  munmap(mapping->pages, mapping->length);
  mappings--;
  delete mapping;
}

/// The file's bytes [offset, offset + bytes), which it must have, as an ArrayBuffer; unmapped when that is collected.
napi_value MapFile(napi_env env, const std::string& path, int64_t offset, int64_t bytes, int open_flags, int map_flags) {
  const int file = open(path.c_str(), open_flags | O_CLOEXEC);
  if (file < 0) return ThrowErrno(env, "cannot open " + path, errno);
  struct stat found;
  if (fstat(file, &found) != 0 || found.st_size < offset + bytes) {
    close(file);
    napi_throw_range_error(env, nullptr, (path + " is smaller than what is to be mapped").c_str());
    return nullptr;
  }
  const int64_t before = offset % sysconf(_SC_PAGESIZE);
  const size_t length = before + bytes;
  void* pages = mmap(nullptr, length, PROT_READ | PROT_WRITE, map_flags, file, offset - before);
  const int failure = errno;
  close(file);
  if (pages == MAP_FAILED) return ThrowErrno(env, "cannot map " + path, failure);

  napi_value buffer;
  auto* mapping = new Mapping{pages, length};
  char* data = static_cast<char*>(pages) + before;
  if (napi_create_external_arraybuffer(env, data, bytes, Unmap, mapping, &buffer) != napi_ok) {
    munmap(pages, length);
    delete mapping;
    napi_throw_error(env, nullptr, "this JavaScript engine allows no external buffers");
    return nullptr;
  }
  mappings++;
  return buffer;
}

/// map(path, bytes, lazily): the file's first bytes, shared; read at once unless `lazily` is true.
napi_value Map(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  int64_t bytes = 0;
  napi_get_value_int64(env, arguments[1], &bytes);
  bool lazily = false;
  napi_get_value_bool(env, arguments[2], &lazily);
  return MapFile(env, Text(env, arguments[0]), 0, bytes, O_RDWR, MAP_SHARED | (lazily ? 0 : MAP_POPULATE));
}

/// mapToRead(path, offset, bytes): what is written into the buffer reaches nobody else.
napi_value MapToRead(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  if (mappings >= kMostMappings) {
    napi_throw_error(env, nullptr, "too many files are mapped");
    return nullptr;
  }
  int64_t offset = 0;
  int64_t bytes = 0;
  napi_get_value_int64(env, arguments[1], &offset);
  napi_get_value_int64(env, arguments[2], &bytes);
  return MapFile(env, Text(env, arguments[0]), offset, bytes, O_RDONLY, MAP_PRIVATE);
}

/// willRead(matrix, width, rows): those rows of a mapped matrix begin to be read from their file, and the caller goes on.
napi_value WillRead(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array matrix(env, arguments[0]);
  const Array rows(env, arguments[2]);
  uint32_t width = 0;
  napi_get_value_uint32(env, arguments[1], &width);
  if (matrix.type != napi_float32_array || rows.type != napi_int32_array) {
    napi_throw_type_error(env, nullptr, "willRead needs a Float32Array, its width and an Int32Array of rows");
    return nullptr;
  }
  const uintptr_t page = sysconf(_SC_PAGESIZE);
  for (size_t i = 0; i < rows.length; i++) {
    const int32_t row = rows.as<int32_t>()[i];
    if (row < 0 || (row + size_t{1}) * width > matrix.length) continue;
    const uintptr_t begin = reinterpret_cast<uintptr_t>(matrix.as<float>() + size_t(row) * width);
    const uintptr_t first = begin / page * page;
    madvise(reinterpret_cast<void*>(first), begin + width * sizeof(float) - first, MADV_WILLNEED);
  }
  return nullptr;
}

/// wait(words, index, value, milliseconds): returns when words[index] is not `value`, somebody woke it, or time is over.
napi_value Wait(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array words(env, arguments[0]);
  uint32_t index = 0;
  int32_t value = 0;
  double milliseconds = 0;
  napi_get_value_uint32(env, arguments[1], &index);
  napi_get_value_int32(env, arguments[2], &value);
  napi_get_value_double(env, arguments[3], &milliseconds);
  if (words.type != napi_int32_array || index >= words.length) {
    napi_throw_range_error(env, nullptr, "wait needs an Int32Array and an index into it");
    return nullptr;
  }
  timespec limit;
  limit.tv_sec = static_cast<time_t>(milliseconds / 1000);
  limit.tv_nsec = static_cast<long>((milliseconds - 1000.0 * limit.tv_sec) * 1e6);
  syscall(SYS_futex, words.as<int32_t>() + index, FUTEX_WAIT, value, &limit, nullptr, 0);
  return nullptr;
}

/// wake(words, index): everybody who waits for words[index], in whatever process.
napi_value Wake(napi_env env, napi_callback_info info) {
  const Arguments arguments(env, info);
  const Array words(env, arguments[0]);
  uint32_t index = 0;
  napi_get_value_uint32(env, arguments[1], &index);
  if (words.type != napi_int32_array || index >= words.length) {
    napi_throw_range_error(env, nullptr, "wake needs an Int32Array and an index into it");
    return nullptr;
  }
  syscall(SYS_futex, words.as<int32_t>() + index, FUTEX_WAKE, INT32_MAX, nullptr, nullptr, 0);
  return nullptr;
}

}  // namespace

void RegisterSharedMemory(napi_env env, napi_value exports) {
  Export(env, exports, "map", Map);
  Export(env, exports, "mapToRead", MapToRead);
  Export(env, exports, "willRead", WillRead);
  Export(env, exports, "wait", Wait);
  Export(env, exports, "wake", Wake);
}

}  // namespace sheaf
