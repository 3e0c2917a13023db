// SPDX-License-Identifier: Apache-2.0
#include <string>

#include <libpq-fe.h>

#include <tap/base/cursor.hpp>
#include <tap/base/signals.hpp>
#include <tap/pg/copy_reader.hpp>

namespace tap::pg {

namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature = "PGCOPY\n\377\r\n\0"sv;
constexpr int kNotYet = 0;
constexpr int kNoMore = -1;

/// Drops the header from the first message, which the server sends together with the first row.
std::string_view after_header(std::string_view message) {
  Cursor cursor(message);
  if (cursor.bytes(kSignature.size()) != kSignature) {
    throw MalformedAnswer("the server's answer to COPY is not in binary format");
  }
  cursor.u32();  // flags: none that matter to a reader
  cursor.bytes(cursor.u32());
  return cursor.rest();
}

}  // namespace

void CopyReader::Free::operator()(char* memory) const {
  PQfreemem(memory);
}

CopyReader::CopyReader(Connection& connection, const std::vector<std::string>& queries)
    : connection_(connection), left_(queries.size()) {
  std::string sql;
  for (const std::string& query : queries) {
    sql += (sql.empty() ? "COPY (" : "; COPY (") + query + ") TO STDOUT (FORMAT binary)";
  }
  connection_.send_table_query(sql);
  connection_.check(connection_.receive().get(), PGRES_COPY_OUT);
}

bool CopyReader::receive(std::string_view& message) {
  signals::throw_if_stop_requested();
  char* data = nullptr;
  int size = PQgetCopyData(connection_.connection_.get(), &data, 1);
  while (size == kNotYet) {
    pacing_.pause(PQsocket(connection_.connection_.get()));
    size = connection_.consume() ? PQgetCopyData(connection_.connection_.get(), &data, 1) : kNoMore;
  }
  message_.reset(data);
  if (size > 0) {
    message = {data, static_cast<std::size_t>(size)};
    connection_.note_message_size(message.size());
    pacing_.note_received(message.size());
    return true;
  }
  // The result tells whether the copy is complete or has failed. That of the next copy replaces it.
  --left_;
  started_ = false;
  connection_.check(connection_.receive().get(), left_ > 0 ? PGRES_COPY_OUT : PGRES_COMMAND_OK);
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
      throw MalformedAnswer("the server sent data after the end of COPY");
    }
    return std::nullopt;
  }
  return row;
}

}  // namespace tap::pg
