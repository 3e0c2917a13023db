// SPDX-License-Identifier: Apache-2.0
#include <tap/change/decoder.hpp>

#include "payload.hpp"

namespace tap::change {

namespace {

using simdjson::ondemand::value;

Change::Kind parse_kind(std::string_view action) {
  switch (action.size() == 1 ? action.front() : '\0') {
    case 'B':
      return Change::Kind::begin;
    case 'C':
      return Change::Kind::commit;
    case 'I':
      return Change::Kind::insert;
    case 'U':
      return Change::Kind::update;
    case 'D':
      return Change::Kind::remove;
    case 'T':
      return Change::Kind::truncate;
    case 'M':
      return Change::Kind::other;
    default:
      throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
  }
}

/// Reads `[{"name":"id","value":1}, ...]`.
void read_fields(value list, std::vector<Field>& fields) {
  for (auto entry : list.get_array()) {
    Field& field = fields.emplace_back();
    bool has_value = false;
    for (auto member : entry.get_object()) {
      const simdjson::ondemand::raw_json_string key = member.key();
      if (key == "name") {
        field.name = read_string(member.value());
      } else if (key == "value") {
        field.value = read_value(member.value());
        has_value = true;
      }
    }
    if (!has_value || field.name.data() == nullptr) {
      throw simdjson::simdjson_error(simdjson::NO_SUCH_FIELD);
    }
  }
}

/// Decodes one message per change: `{"action":"I","schema":"public","table":"t","columns":[...]}`.
class Wal2jsonV2 : public Decoder {
 public:
  explicit Wal2jsonV2(std::string_view server_encoding) : payload_(server_encoding) {}

  void decode(std::string_view message, Lsn lsn, const Sink& sink) override {
    read_message(message, lsn, [&] { read(message); });
    sink(change_);
    payload_.shrink();
  }

 private:
  void read(std::string_view message) {
    change_.schema = {};
    change_.table = {};
    change_.columns.clear();
    change_.identity.clear();
    change_.commit_time = {};
    change_.xid = {};
    bool has_action = false;
    bool has_end = false;
    auto document = payload_.open(message, when_copied_);
    for (auto member : document.get_object()) {
      const simdjson::ondemand::raw_json_string key = member.key();
      value content = member.value();
      if (key == "action") {
        change_.kind = parse_kind(read_string(content));
        has_action = true;
      } else if (key == "schema") {
        change_.schema = read_string(content);
      } else if (key == "table") {
        change_.table = read_string(content);
      } else if (key == "columns") {
        read_fields(content, change_.columns);
      } else if (key == "identity") {
        read_fields(content, change_.identity);
      } else if (key == "nextlsn") {
        change_.commit_end = read_lsn_value(content);
        has_end = true;
      } else if (key == "xid") {
        change_.xid = read_value(content);
      } else if (key == "timestamp" && content.type() == simdjson::ondemand::json_type::string) {
        change_.commit_time = read_string(content);
      }
    }
    const bool has_commit_end_if_begin = change_.kind != Change::Kind::begin || has_end;
    if (!has_action || !has_commit_end_if_begin || (is_row_change(change_.kind) && change_.table.empty()) ||
        !is_at_end(document)) {
      throw simdjson::simdjson_error(simdjson::TAPE_ERROR);
    }
  }

  Payload payload_;
  Change change_;
};

}  // namespace

std::unique_ptr<Decoder> make_wal2json_v2_decoder(std::string_view server_encoding) {
  return std::make_unique<Wal2jsonV2>(server_encoding);
}

}  // namespace tap::change
