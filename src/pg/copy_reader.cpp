// SPDX-License-Identifier: Apache-2.0
#include <libpq-fe.h>

#include <tap/base/cursor.hpp>
#include <tap/pg/copy_reader.hpp>

#include "result.hpp"

namespace tap::pg {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature = "PGCOPY\n\377\r\n\0"sv;

/// Drops the header from the first message, which the server sends together with the first row.
std::string_view after_header(std::string_view message) {
  Cursor cursor(message);
  if (cursor.bytes(kSignature.size()) != kSignature) {
    throw Error(ExitCode::run_failed, "the server's answer to COPY is not in binary format");
  }
  cursor.u32();  // flags: none that matter to a reader
  cursor.bytes(cursor.u32());
  return cursor.rest();
}

}  // namespace

void CopyReader::Free::operator()(char* memory) const { PQfreemem(memory); }

CopyReader::CopyReader(Connection& connection, const std::string& query) : connection_(connection) {
  const std::string sql = "COPY (" + query + ") TO STDOUT (FORMAT binary)";
  const Result result(PQexec(connection_.connection_.get(), sql.c_str()));
  connection_.check(result.get(), PGRES_COPY_OUT);
}

bool CopyReader::receive(std::string_view& message) {
  PGconn* const connection = connection_.connection_.get();
  char* data = nullptr;
  const int size = PQgetCopyData(connection, &data, 0);
  message_.reset(data);
  if (size > 0) {
    message = {data, static_cast<std::size_t>(size)};
    return true;
  }
  // Done, or failed: in either case the result says which, and a last call takes the connection out of COPY.
  const Result result(PQgetResult(connection));
  connection_.check(result.get(), PGRES_COMMAND_OK);
  while (Result(PQgetResult(connection))) {
  }
  return false;
}

std::optional<std::string_view> CopyReader::next() {
  std::string_view row;
  if (!receive(row)) {
    return std::nullopt;
  }
  if (!started_) {
    started_ = true;
    row = after_header(row);
  }
  if (Cursor(row).i16() == -1) {  // the trailer; only the end of the copy follows
    if (receive(row)) {
      throw Error(ExitCode::run_failed, "the server went on after the end of COPY");
    }
    return std::nullopt;
  }
  return row;
}

}  // namespace tap::pg
