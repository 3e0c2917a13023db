// SPDX-License-Identifier: Apache-2.0
#include <ctime>
#include <iterator>
#include <string>
#include <unordered_map>

#include <spdlog/fmt/fmt.h>

#include <tap/base/cursor.hpp>
#include <tap/base/error.hpp>
#include <tap/change/decoder.hpp>

#include "malformed_message.hpp"

namespace tap::change {

namespace {

struct Column {
  std::string name;
  Oid type = 0;
  bool is_key = false;  ///< of the replica identity
};

struct Relation {
  std::string schema;
  std::string table;
  std::vector<Column> columns;
};

[[noreturn]] void refuse(const std::string& reason) {
  throw MalformedAnswer(reason);
}

void require_end(const Cursor& cursor) {
  if (!cursor.at_end()) {
    refuse(fmt::format("{} bytes follow its end", cursor.left()));
  }
}

/// Writes microseconds since 2000-01-01 UTC as the server writes timestamptz in UTC.
void write_time(std::int64_t time, std::string& out) {
  constexpr std::int64_t second = 1'000'000;
  constexpr std::int64_t from_1970_to_2000 = 946'684'800;
  const std::int64_t micros = (time % second + second) % second;
  const std::time_t seconds = time / second - (time % second < 0 ? 1 : 0) + from_1970_to_2000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  const int year = utc.tm_year + 1900;
  const auto to = std::back_inserter(out);
  out.clear();
  fmt::format_to(to, "{:04}-{:02}-{:02} {:02}:{:02}:{:02}", year > 0 ? year : 1 - year, utc.tm_mon + 1,
                 utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec);
  if (micros != 0) {
    fmt::format_to(to, ".{:06}", micros);
    out.erase(out.find_last_not_of('0') + 1);
  }
  out.append(year > 0 ? "+00" : "+00 BC");
}

class Pgoutput : public Decoder {
 public:
  void decode(std::string_view message, Lsn lsn, const Sink& sink) override {
    bool has_changes = false;
    try {
      has_changes = read(message);
    } catch (const MalformedAnswer& error) {
      throw_malformed_message("pgoutput", message, lsn, error.what());
    }
    if (!has_changes) {
      return;
    }
    if (change_.kind != Change::Kind::truncate) {
      sink(change_);
      return;
    }
    for (const Relation* const relation : truncated_) {
      set_table(*relation);
      sink(change_);
    }
  }

  void restart() override {
    in_transaction_ = false;
    relations_.clear();
    relation_ = nullptr;
  }

 private:
  /// Fills `change_`, for TRUNCATE also `truncated_`. False if the message is not a change.
  bool read(std::string_view message) {
    Cursor cursor(message);
    change_.schema = {};
    change_.table = {};
    change_.columns.clear();
    change_.identity.clear();
    const std::uint8_t kind = cursor.u8();
    bool is_change = true;
    switch (kind) {
      case 'B':
        read_begin(cursor);
        break;
      case 'C':
        read_commit(cursor);
        break;
      case 'I':
        read_insert(cursor);
        break;
      case 'U':
        read_update(cursor);
        break;
      case 'D':
        read_delete(cursor);
        break;
      case 'T':
        read_truncate(cursor);
        break;
      case 'M':
        read_message(cursor);
        break;
      case 'R':
        read_relation(cursor);
        is_change = false;
        break;
      case 'O':
        cursor.u64();  // LSN on the origin
        cursor.c_string();
        is_change = false;
        break;
      case 'Y':
        cursor.u32();       // OID
        cursor.c_string();  // schema
        cursor.c_string();  // name
        is_change = false;
        break;
      default:
        refuse(fmt::format("its kind 0x{:02x} is unknown", kind));
    }
    require_end(cursor);
    return is_change;
  }

  void read_begin(Cursor& cursor) {
    if (in_transaction_) {
      refuse("the previous transaction has not ended");
    }
    const Lsn commit_start{cursor.u64()};
    const std::int64_t commit_time = cursor.i64();
    const std::uint32_t xid = cursor.u32();
    commit_start_ = commit_start;
    write_time(commit_time, commit_time_);
    xid_.clear();
    fmt::format_to(std::back_inserter(xid_), "{}", xid);
    change_.kind = Change::Kind::begin;
    change_.commit_end = Lsn{commit_start_.value + 1};
    change_.commit_time = commit_time_;
    change_.xid = xid_;
    in_transaction_ = true;
  }

  void read_commit(Cursor& cursor) {
    require_transaction();
    cursor.u8();  // flags, none are defined
    const Lsn start{cursor.u64()};
    const Lsn end{cursor.u64()};
    cursor.i64();  // commit time
    if (start != commit_start_ || end <= start) {
      refuse(fmt::format("its commit record from {} to {} is not the transaction's, which starts at {}",
                         to_text(start), to_text(end), to_text(commit_start_)));
    }
    change_.kind = Change::Kind::commit;
    change_.commit_end = end;
    in_transaction_ = false;
  }

  void read_insert(Cursor& cursor) {
    const Relation& relation = begin_row(cursor, Change::Kind::insert);
    require_tuple(cursor.u8(), "N");
    read_tuple(cursor, relation, change_.columns);
  }

  void read_update(Cursor& cursor) {
    const Relation& relation = begin_row(cursor, Change::Kind::update);
    const std::uint8_t tuple = cursor.u8();
    require_tuple(tuple, "KON");
    if (tuple == 'N') {  // the replica identity has not changed
      read_tuple(cursor, relation, change_.columns, &change_.identity);
      return;
    }
    read_old_tuple(cursor, relation, tuple);
    require_tuple(cursor.u8(), "N");
    read_tuple(cursor, relation, change_.columns);
  }

  void read_delete(Cursor& cursor) {
    const Relation& relation = begin_row(cursor, Change::Kind::remove);
    const std::uint8_t tuple = cursor.u8();
    require_tuple(tuple, "KO");
    read_old_tuple(cursor, relation, tuple);
  }

  void read_truncate(Cursor& cursor) {
    require_transaction();
    const std::uint32_t count = cursor.u32();
    cursor.u8();  // CASCADE, RESTART IDENTITY
    if (cursor.left() % sizeof(Oid) != 0 || cursor.left() / sizeof(Oid) != count) {
      refuse(fmt::format("it has {} bytes of OIDs for {} relations", cursor.left(), count));
    }
    change_.kind = Change::Kind::truncate;
    truncated_.clear();
    while (!cursor.at_end()) {
      truncated_.push_back(&find_relation(cursor.u32()));
    }
  }

  void read_message(Cursor& cursor) {
    cursor.u8();   // is transactional
    cursor.u64();  // LSN
    cursor.c_string();
    cursor.bytes(cursor.u32());
    change_.kind = Change::Kind::other;
  }

  /// Reads a relation, which may be known: it was altered, or its description is repeated.
  void read_relation(Cursor& cursor) {
    const Oid oid = cursor.u32();
    Relation relation;
    relation.schema = cursor.c_string();
    if (relation.schema.empty()) {
      relation.schema = "pg_catalog";
    }
    relation.table = cursor.c_string();
    cursor.u8();  // kind of the replica identity; the columns tell which of them it has
    for (std::uint16_t left = cursor.u16(); left > 0; --left) {
      constexpr std::uint8_t is_key = 1;
      Column& column = relation.columns.emplace_back();
      column.is_key = (cursor.u8() & is_key) != 0;
      column.name = cursor.c_string();
      column.type = cursor.u32();
      cursor.i32();  // type modifier
    }
    require_end(cursor);
    relations_.insert_or_assign(oid, std::move(relation));
  }

  void require_transaction() const {
    if (!in_transaction_) {
      refuse("no transaction has begun");
    }
  }

  static void require_tuple(std::uint8_t tuple, std::string_view expected) {
    if (expected.find(static_cast<char>(tuple)) == std::string_view::npos) {
      refuse(fmt::format("its row kind 0x{:02x} is not one of {}", tuple, expected));
    }
  }

  const Relation& begin_row(Cursor& cursor, Change::Kind kind) {
    require_transaction();
    const Relation& relation = find_relation(cursor.u32());
    change_.kind = kind;
    set_table(relation);
    return relation;
  }

  const Relation& find_relation(Oid oid) {
    if (relation_ == nullptr || relation_->first != oid) {
      const auto found = relations_.find(oid);
      if (found == relations_.end()) {
        refuse(fmt::format("relation {} has not been described", oid));
      }
      relation_ = &*found;
    }
    return relation_->second;
  }

  void set_table(const Relation& relation) {
    change_.schema = relation.schema;
    change_.table = relation.table;
  }

  /// An old row is whole ('O') or has NULL in every column outside the replica identity ('K').
  void read_old_tuple(Cursor& cursor, const Relation& relation, std::uint8_t tuple) {
    read_tuple(cursor, relation, change_.identity);
    if (tuple == 'K') {
      std::erase_if(change_.identity, [](const Field& field) { return field.value.data() == nullptr; });
    }
  }

  /// Appends the columns of a row to `fields`, and those of the replica identity to `key` if it is given.
  static void read_tuple(Cursor& cursor, const Relation& relation, std::vector<Field>& fields,
                         std::vector<Field>* key = nullptr) {
    const std::uint16_t count = cursor.u16();
    if (count != relation.columns.size()) {
      refuse(fmt::format("its row has {} columns, but table {}.{} has {}", count, relation.schema,
                         relation.table, relation.columns.size()));
    }
    for (const Column& column : relation.columns) {
      Field field{.name = column.name, .value = {}, .format = Field::Format::text, .type = column.type};
      const std::uint8_t kind = cursor.u8();
      switch (kind) {
        case 'n':
          break;
        case 'u':  // unchanged TOAST
          continue;
        case 'b':
          field.format = Field::Format::binary;
          [[fallthrough]];
        case 't':
          field.value = cursor.bytes(cursor.u32());
          break;
        default:
          refuse(fmt::format("the value kind 0x{:02x} of column {} is unknown", kind, column.name));
      }
      fields.push_back(field);
      if (key != nullptr && column.is_key) {
        key->push_back(field);
      }
    }
  }

  Change change_;
  std::unordered_map<Oid, Relation> relations_;
  const std::pair<const Oid, Relation>* relation_ = nullptr;  ///< the last one that find_relation() found
  std::vector<const Relation*> truncated_;
  Lsn commit_start_;
  std::string commit_time_;
  std::string xid_;
  bool in_transaction_ = false;
};

}  // namespace

std::unique_ptr<Decoder> make_pgoutput_decoder() {
  return std::make_unique<Pgoutput>();
}

}  // namespace tap::change
