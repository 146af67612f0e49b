// TensorFlow logs lines of no use to anybody while its libraries are loaded, before it reads TF_CPP_MIN_LOG_LEVEL.
// This library's constructor is the first to run (`-z initfirst`) and applies that setting to the logger itself.
#include <cstdlib>

#include "absl/log/globals.h"

__attribute__((constructor)) static void ApplyMinLogLevel() {
  if (const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL")) {
    absl::SetMinLogLevel(static_cast<absl::LogSeverityAtLeast>(std::atoi(level)));
  }
}
