// SPDX-License-Identifier: Apache-2.0
#include <cctype>
#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/json.hpp>

namespace tap {

namespace {

// A raw number is a binary value of this subtype. Parsing JSON text never produces binary values.
constexpr std::uint64_t kRawNumber = 1;

// Limits the recursion that writes, searches and destroys documents.
constexpr std::size_t kMaxDepth = 1000;

bool is_raw_number(const Json& value) {
  return value.is_binary() && value.get_binary().has_subtype() && value.get_binary().subtype() == kRawNumber;
}

/// Builds the document from the events of nlohmann's SAX parser, which include the text of a number. Its DOM
/// parser would only keep the double.
class Builder {
 public:
  explicit Builder(const std::string& what, std::string_view text) : what_(what), text_(text) {}

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(Json::number_integer_t value) { return add(value); }
  bool number_unsigned(Json::number_unsigned_t value) { return add(value); }
  bool number_float(Json::number_float_t value, const std::string& digits) {
    Json number = value;
    return add(number.dump() == digits ? std::move(number) : raw_number(digits));
  }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t& value) { return add(std::move(value)); }
  bool start_object(std::size_t /*size*/) { return open(Json::object()); }
  bool start_array(std::size_t /*size*/) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    key_ = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*e*/) {
    std::size_t line = 1;
    std::size_t column = 1;
    for (std::size_t i = 0; i + 1 < position && i < text_.size(); ++i) {
      const bool new_line = text_[i] == '\n';
      line += new_line ? 1 : 0;
      column = new_line ? 1 : column + 1;
    }
    throw Error(ExitCode::usage,
                fmt::format("{}: not valid JSON at line {}, column {}", what_, line, column));
  }

  Json take() { return std::move(root_); }

 private:
  struct Container {
    Json* container;
    std::unordered_map<std::string, std::size_t> positions;  ///< of the members by key, if there are many
  };

  /// The member with the current key, added if there is none.
  Json& find_member(Container& object) {
    constexpr std::size_t few = 16;  // up to here the object's own search is as fast
    auto& members = object.container->get_ref<Json::object_t&>();
    if (members.size() < few) {
      return (*object.container)[key_];
    }
    if (object.positions.empty()) {
      for (const auto& [key, value] : members) {
        object.positions.emplace(key, object.positions.size());
      }
    }
    const auto [position, is_new] = object.positions.emplace(key_, members.size());
    if (is_new) {
      members.push_back({key_, nullptr});
    }
    return (members.begin() + static_cast<std::ptrdiff_t>(position->second))->second;
  }
  Json* put(Json&& value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back().container;
    if (parent.is_array()) {
      parent.push_back(std::move(value));
      return &parent.back();
    }
    Json& member = find_member(open_.back());
    member = std::move(value);
    return &member;
  }
  bool add(Json value) {
    put(std::move(value));
    return true;
  }
  bool open(Json container) {
    if (open_.size() == kMaxDepth) {
      throw Error(ExitCode::usage, fmt::format("{}: nested more than {} levels deep", what_, kMaxDepth));
    }
    open_.push_back({put(std::move(container)), {}});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& what_;
  std::string_view text_;
  Json root_;
  std::vector<Container> open_;  // pointers stay valid: a container moves only when a sibling is added
  std::string key_;
};

void new_line(Buffer& out, int indent, int depth) {
  if (indent > 0) {
    out.push('\n');
    for (int i = 0; i < indent * depth; ++i) {
      out.push(' ');
    }
  }
}

void write(Buffer& out, const Json& value, int indent, int depth) {
  const bool object = value.is_object();
  if (!object && !value.is_array()) {
    if (value.is_string()) {
      append_json_string(out, value.get_ref<const std::string&>());
    } else if (is_raw_number(value)) {
      out.append(number_text(value));
    } else {
      out.append(value.dump());
    }
    return;
  }
  out.push(object ? '{' : '[');
  bool first = true;
  for (auto member = value.begin(); member != value.end(); ++member) {
    if (!first) {
      out.push(',');
    }
    first = false;
    new_line(out, indent, depth + 1);
    if (object) {
      append_json_string(out, member.key());
      out.append(indent > 0 ? ": " : ":");
    }
    write(out, *member, indent, depth + 1);
  }
  if (!first) {
    new_line(out, indent, depth);
  }
  out.push(object ? '}' : ']');
}

}  // namespace

Json parse_json(std::string_view text, const std::string& what) {
  Builder builder(what, text);
  Json::sax_parse(text, &builder);
  return builder.take();
}

Json raw_number(std::string_view digits) {
  return Json::binary({digits.begin(), digits.end()}, kRawNumber);
}

std::string number_text(const Json& number) {
  if (!is_raw_number(number)) {
    return number.dump();
  }
  const auto& digits = number.get_binary();
  return {digits.begin(), digits.end()};
}

bool is_number(const Json& value) {
  return value.is_number() || is_raw_number(value);
}

void append_json(Buffer& out, const Json& value, int indent, int depth) {
  write(out, value, indent, depth);
}

std::string to_text(const Json& value, int indent) {
  Buffer out;
  append_json(out, value, indent);
  return std::string(out.view());
}

}  // namespace tap
