// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include <tap/base/error.hpp>

namespace tap {

/// Makes the C library return the memory of a large row to the system when the row is freed. By default glibc
/// keeps blocks of up to 32 MiB once one of that size has been freed. Call at the start of main().
void configure_allocator();

/// What follows the version: the libraries that a portable build (scripts/portable) lacks. Empty for other
/// builds.
std::string_view build_note();

/// Sets SSL_CERT_FILE to the authorities that this system trusts, for `sslrootcert=system`, unless the user
/// has set it or SSL_CERT_DIR. Only a portable build does this: a distribution's OpenSSL knows where they
/// are. Call at the start of main(), before other threads exist.
void find_certificate_authorities();

/// The system starts no more threads, as in a container whose pids.max is reached.
class ThreadError : public Error {
 public:
  explicit ThreadError(const std::system_error& error);
};

/// Starts a thread. Throws ThreadError.
template <class Function>
std::thread start_thread(Function function) {
  try {
    return std::thread(std::move(function));
  } catch (const std::system_error& error) {
    throw ThreadError(error);
  }
}

}  // namespace tap
