// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <cstdlib>

#include <spdlog/fmt/fmt.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <tap/base/platform.hpp>

namespace tap {

void configure_allocator() {
#ifdef __GLIBC__
  constexpr int large = 4 << 20;  // the cost of mapping such a block is small next to filling it
  mallopt(M_MMAP_THRESHOLD, large);
  mallopt(M_TRIM_THRESHOLD, large);
#endif
}

ThreadError::ThreadError(const std::system_error& error)
    : Error(ExitCode::run_failed,
            fmt::format("cannot start a thread ({}): raise the limit of processes (ulimit -u, or pids.max of "
                        "the container) or of memory, or lower `parallel`",
                        error.code().message())) {}

#ifdef TAP_PORTABLE

std::string_view build_note() {
  return " (portable build, without GSSAPI and LDAP)";
}

void find_certificate_authorities() {
  constexpr auto files = std::to_array<const char*>({
      "/etc/ssl/certs/ca-certificates.crt",                 // Debian, Ubuntu, Alpine, Arch
      "/etc/pki/tls/certs/ca-bundle.crt",                   // Red Hat before 10, Amazon Linux
      "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  // Red Hat, Fedora
      "/etc/ssl/ca-bundle.pem",                             // SUSE
      "/etc/ssl/cert.pem",                                  // OpenSSL's own name
  });
  if (std::getenv("SSL_CERT_FILE") != nullptr || std::getenv("SSL_CERT_DIR") != nullptr) {
    return;
  }
  const auto* const found =
      std::ranges::find_if(files, [](const char* file) { return access(file, R_OK) == 0; });
  if (found != files.end()) {
    setenv("SSL_CERT_FILE", *found, 1);
  }
}

#else

std::string_view build_note() {
  return "";
}

void find_certificate_authorities() {}

#endif

}  // namespace tap
