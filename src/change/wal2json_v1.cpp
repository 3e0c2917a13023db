// SPDX-License-Identifier: Apache-2.0
#include <string>
#include <utility>

#include <tap/change/decoder.hpp>

#include "payload.hpp"

namespace tap::change {

namespace {

using simdjson::ondemand::value;

Change::Kind parse_kind(std::string_view kind) {
  if (kind == "insert") {
    return Change::Kind::insert;
  }
  if (kind == "update") {
    return Change::Kind::update;
  }
  if (kind == "delete") {
    return Change::Kind::remove;
  }
  if (kind == "truncate") {
    return Change::Kind::truncate;
  }
  if (kind == "message") {
    return Change::Kind::other;
  }
  throw simdjson::simdjson_error(simdjson::INCORRECT_TYPE);
}

std::string_view trim(std::string_view message) {
  constexpr const char* blanks = " \t\r\n";
  const auto first = message.find_first_not_of(blanks);
  return first == std::string_view::npos
             ? std::string_view()
             : message.substr(first, message.find_last_not_of(blanks) + 1 - first);
}

// A defect of wal2json up to 2.5: a non-transactional logical message starts with the comma that the next
// change of the previous transaction would have had.
constexpr std::string_view kBeforeMessage = R"({"change":[,)";
constexpr std::string_view kAfterMessage = "]}";

bool has_stray_comma(std::string_view text) {
  return text.starts_with(kBeforeMessage) && text.ends_with(kAfterMessage);
}

/// Appends a field for each name. The values are in a list of their own, see read_values().
void read_names(value list, std::vector<Field>& fields) {
  for (auto name : list.get_array()) {
    fields.emplace_back().name = read_string(name.value());
  }
}

void read_values(value list, std::vector<Field>& fields) {
  auto field = fields.begin();
  for (auto entry : list.get_array()) {
    if (field == fields.end()) {
      throw simdjson::simdjson_error(simdjson::INDEX_OUT_OF_BOUNDS);
    }
    field->value = read_value(entry.value());
    ++field;
  }
  if (field != fields.end()) {
    throw simdjson::simdjson_error(simdjson::INDEX_OUT_OF_BOUNDS);
  }
}

/// Decodes one message per transaction, `{"nextlsn":"0/1","timestamp":"...","change":[{...},{...}]}`, or with
/// write-in-chunks its parts: the text up to `[`, each change with the comma before it, and `]}`.
class Wal2jsonV1 : public Decoder {
 public:
  explicit Wal2jsonV1(std::string_view server_encoding) : payload_(server_encoding) {}

  void decode(std::string_view message, Lsn lsn, const Sink& sink) override {
    std::string_view text = trim(message);
    read_message(message, lsn, [&] {
      if (text == "]}") {
        require(in_chunks_);
        in_chunks_ = false;
        finish(sink);
      } else if (!text.empty() && text.back() == '[') {
        require(!in_chunks_);
        in_chunks_ = true;
        read_transaction(std::string(text) + "]}", sink);
      } else if (has_stray_comma(text)) {
        const bool has_end = std::exchange(has_end_, false);  // it has no row change
        text.remove_prefix(kBeforeMessage.size());
        text.remove_suffix(kAfterMessage.size());
        read_single_change(text, sink);
        has_end_ = has_end;
      } else if (in_chunks_ && !is_transaction(text)) {
        read_single_change(text.starts_with(',') ? text.substr(1) : text, sink);
      } else {
        const bool has_end = has_end_;
        read_transaction(text, sink);
        if (in_chunks_) {
          has_end_ = has_end;  // a non-transactional message between the parts
        } else if (has_end_) {
          finish(sink);
        }
      }
    });
    payload_.shrink();
  }

  void restart() override { in_chunks_ = false; }

 private:
  static void require(bool good) {
    if (!good) {
      throw simdjson::simdjson_error(simdjson::TAPE_ERROR);
    }
  }

  /// True if `text` starts as a transaction does. A single change starts with its kind.
  static bool is_transaction(std::string_view text) {
    return text.starts_with(R"({"change")") || text.starts_with(R"({"nextlsn")") ||
           text.starts_with(R"({"xid")") || text.starts_with(R"({"timestamp")");
  }

  void read_transaction(std::string_view text, const Sink& sink) {
    has_end_ = false;
    auto document = payload_.open(text, when_copied_);
    for (auto member : document.get_object()) {
      const simdjson::ondemand::raw_json_string key = member.key();
      value content = member.value();
      if (key == "nextlsn") {
        commit_end_ = read_lsn_value(content);
        has_end_ = true;
      } else if (key == "xid") {
        xid_ = read_value(content);
      } else if (key == "timestamp") {
        commit_time_ = read_string(content);
      } else if (key == "change") {
        if (has_end_) {
          begin(sink);
        }
        for (auto entry : content.get_array()) {
          read_change(entry.value(), sink);
        }
      }
    }
    require(is_at_end(document));
  }

  void read_single_change(std::string_view text, const Sink& sink) {
    auto document = payload_.open(text, when_copied_);
    read_change(document.get_value(), sink);
    require(is_at_end(document));
  }

  void read_change(value entry, const Sink& sink) {
    clear();
    bool has_kind = false;
    for (auto member : entry.get_object()) {
      const simdjson::ondemand::raw_json_string key = member.key();
      value content = member.value();
      if (key == "kind") {
        change_.kind = parse_kind(read_string(content));
        has_kind = true;
      } else if (key == "schema") {
        change_.schema = read_string(content);
      } else if (key == "table") {
        change_.table = read_string(content);
      } else if (key == "columnnames") {
        read_names(content, change_.columns);
      } else if (key == "columnvalues") {
        read_values(content, change_.columns);
      } else if (key == "oldkeys") {
        read_old_keys(content);
      }
    }
    require(has_kind);
    require(!is_row_change(change_.kind) || (has_end_ && !change_.table.empty()));
    sink(change_);
  }

  void read_old_keys(value keys) {
    for (auto member : keys.get_object()) {
      const simdjson::ondemand::raw_json_string key = member.key();
      if (key == "keynames") {
        read_names(member.value(), change_.identity);
      } else if (key == "keyvalues") {
        read_values(member.value(), change_.identity);
      }
    }
  }

  void begin(const Sink& sink) {
    clear();
    change_.kind = Change::Kind::begin;
    sink(change_);
  }

  void finish(const Sink& sink) {
    clear();
    change_.kind = Change::Kind::commit;
    sink(change_);
  }

  void clear() {
    change_.kind = Change::Kind::other;
    change_.schema = {};
    change_.table = {};
    change_.columns.clear();
    change_.identity.clear();
    change_.commit_end = commit_end_;
    change_.commit_time = commit_time_;
    change_.xid = xid_;
  }

  Payload payload_;
  Change change_;
  Lsn commit_end_;
  std::string commit_time_;
  std::string xid_;
  bool has_end_ = false;    ///< the last transaction had a `nextlsn`
  bool in_chunks_ = false;  ///< a transaction in parts has not ended
};

}  // namespace

std::unique_ptr<Decoder> make_wal2json_v1_decoder(std::string_view server_encoding) {
  return std::make_unique<Wal2jsonV1>(server_encoding);
}

}  // namespace tap::change
