// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of pgoutput's decoder: messages in a few words, and the decoded changes as lines.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <tap/base/error.hpp>
#include <tap/change/decoder.hpp>

#include "catch.hpp"

namespace tap::pgoutput_test {

using change::Change;
using change::Field;

inline constexpr Lsn kLsn{0x1947C08};
inline constexpr Oid kTable = 16385;
inline constexpr Oid kOther = 16390;

/// Bytes of a message, as in `Bytes('I').u32(16385).c('N')`.
struct Bytes : std::string {
  explicit Bytes(char kind) : std::string(1, kind) {}

  Bytes& c(char byte) {
    push_back(byte);
    return *this;
  }
  template <class T>
  Bytes& big_endian(T value) {
    for (std::size_t shift = sizeof(T) * 8; shift > 0; shift -= 8) {
      push_back(static_cast<char>(value >> (shift - 8)));
    }
    return *this;
  }
  Bytes& u8(std::uint8_t value) { return big_endian(value); }
  Bytes& u16(std::uint16_t value) { return big_endian(value); }
  Bytes& u32(std::uint32_t value) { return big_endian(value); }
  Bytes& u64(std::uint64_t value) { return big_endian(value); }
  Bytes& string(std::string_view text) {
    append(text);
    return c('\0');
  }
  /// A value in a row: kind 't' or 'b', length, bytes.
  Bytes& value(char kind, std::string_view bytes) {
    c(kind).u32(static_cast<std::uint32_t>(bytes.size()));
    append(bytes);
    return *this;
  }
  Bytes& text(std::string_view bytes) { return value('t', bytes); }
  Bytes& binary(std::string_view bytes) { return value('b', bytes); }
  Bytes& null() { return c('n'); }
  Bytes& unchanged() { return c('u'); }
};

inline Bytes begin(std::uint64_t commit_start = 0x194B400, std::int64_t time = 849'191'457'465'729) {
  return Bytes('B').u64(commit_start).u64(static_cast<std::uint64_t>(time)).u32(743);
}

inline Bytes commit(std::uint64_t start = 0x194B400, std::uint64_t end = 0x194B430) {
  return Bytes('C').u8(0).u64(start).u64(end).u64(849'191'457'465'729);
}

struct ColumnOf {
  bool is_key;
  const char* name;
  Oid type;
};

inline Bytes relation(Oid oid, std::string_view schema, std::string_view table, char replica_identity,
                      const std::vector<ColumnOf>& columns) {
  Bytes bytes = Bytes('R')
                    .u32(oid)
                    .string(schema)
                    .string(table)
                    .c(replica_identity)
                    .u16(static_cast<std::uint16_t>(columns.size()));
  for (const ColumnOf& column : columns) {
    bytes.u8(column.is_key ? 1 : 0).string(column.name).u32(column.type).u32(0xFFFFFFFF);
  }
  return bytes;
}

/// public.t (id int4 PRIMARY KEY, s text)
inline Bytes table() {
  return relation(kTable, "public", "t", 'd', {{true, "id", oids::kInt4}, {false, "s", oids::kText}});
}

/// The same table with REPLICA IDENTITY FULL.
inline Bytes full_table() {
  return relation(kTable, "public", "t", 'f', {{true, "id", oids::kInt4}, {true, "s", oids::kText}});
}

/// A row of public.t up to its values.
inline Bytes row(char kind, char tuple = 'N') {
  return Bytes(kind).u32(kTable).c(tuple).u16(2);
}

inline std::string fields_of(const std::vector<Field>& fields) {
  std::string text;
  for (const Field& field : fields) {
    CHECK(field.format != Field::Format::wal2json);
    text += (text.empty() ? "" : " ") + std::string(field.name) + ":" + std::to_string(field.type) + "=" +
            (field.value.data() == nullptr ? "NULL" : "<" + std::string(field.value) + ">") +
            (field.format == Field::Format::binary ? "b" : "");
  }
  return "(" + text + ")";
}

/// Returns a change as one line: `insert public.t (id:23=<1> s:25=NULL)`.
inline std::string describe(const Change& change) {
  const std::string table = " " + std::string(change.schema) + "." + std::string(change.table) + " ";
  const std::string transaction =
      to_text(change.commit_end) + " " + std::string(change.commit_time) + " xid " + std::string(change.xid);
  switch (change.kind) {
    case Change::Kind::begin:
      return "begin " + transaction;
    case Change::Kind::commit:
      return "commit " + transaction;
    case Change::Kind::insert:
      CHECK(change.identity.empty());
      return "insert" + table + fields_of(change.columns);
    case Change::Kind::update:
      return "update" + table + fields_of(change.columns) + " was " + fields_of(change.identity);
    case Change::Kind::remove:
      CHECK(change.columns.empty());
      return "delete" + table + fields_of(change.identity);
    case Change::Kind::truncate:
      CHECK((change.columns.empty() && change.identity.empty()));
      return "truncate" + table + transaction;
    case Change::Kind::other:
      CHECK((change.schema.empty() && change.table.empty()));
      return "other";
  }
  return "";
}

using Lines = std::vector<std::string>;

inline Lines decode(change::Decoder& decoder, const std::vector<std::string>& messages) {
  Lines changes;
  for (const std::string& message : messages) {
    decoder.decode(message, kLsn, [&](const Change& change) { changes.push_back(describe(change)); });
  }
  return changes;
}

/// Decodes messages with a new decoder after `begin` and a description of public.t.
inline Lines decode_in_transaction(const std::vector<std::string>& messages) {
  const auto decoder = change::make_pgoutput_decoder();
  decode(*decoder, {begin(), table()});
  return decode(*decoder, messages);
}

/// Returns why the last message is refused. Its error must name the WAL position and the size.
inline std::string refusal(const std::vector<std::string>& messages) {
  const auto decoder = change::make_pgoutput_decoder();
  decode(*decoder, {messages.begin(), messages.end() - 1});
  bool called = false;
  try {
    decoder->decode(messages.back(), kLsn, [&](const Change& /*change*/) { called = true; });
  } catch (const Error& error) {
    CHECK(error.code() == ExitCode::run_failed);
    CHECK_FALSE(called);
    const std::string text = error.what();
    const std::string before = "cannot decode the pgoutput message at WAL position 0/1947C08 (" +
                               std::to_string(messages.back().size()) + " bytes): ";
    const std::string after =
        "; nothing after it was read; please report this with the versions of PostgreSQL and pgoutput";
    if (text.starts_with(before) && text.ends_with(after)) {
      return text.substr(before.size(), text.size() - before.size() - after.size());
    }
    return text;
  }
  return "accepted";
}

inline std::string refusal_in_transaction(const std::string& message) {
  return refusal({begin(), table(), message});
}

}  // namespace tap::pgoutput_test
