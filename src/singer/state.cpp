// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <iterator>

#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/singer/state.hpp>

namespace tap::singer {

namespace {

bool is_whole_number(const Json& value) {
  return value.is_number_integer();
}
bool is_text(const Json& value) {
  return value.is_string();
}
bool is_scalar(const Json& value) {
  return value.is_string() || value.is_boolean() || is_number(value);
}

/// The type of a bookmark's key, if the key is present.
struct BookmarkKey {
  std::string_view name;
  bool (*fits)(const Json& value);
  const char* wanted;
};
constexpr BookmarkKey kBookmarkKeys[] = {
    {"version", is_whole_number, "a whole number"},
    {"previous_version", is_whole_number, "a whole number"},
    {"sequence", is_whole_number, "a whole number"},
    {"xmin", is_whole_number, "a whole number"},
    {"lsn", is_whole_number, "a whole number"},
    {"last_replication_method", is_text, "text"},
    {"replication_key", is_text, "text"},
    {"replication_key_set_at", is_whole_number, "a whole number"},
    {"replication_key_value", is_scalar, "a number, text, true or false"},
};

}  // namespace

State::State(Json document, const std::string& source) : document_(std::move(document)) {
  const auto require = [&](bool good, const std::string& place, const char* wanted, const Json& value) {
    if (!good) {
      throw Error(ExitCode::usage, fmt::format("{}: {} must be {}, but is {}", source, place, wanted,
                                               is_number(value) ? "number" : value.type_name()));
    }
  };
  require(document_.is_object(), "the state", "an object", document_);
  if (const auto type = document_.find("type"); type != document_.end() && *type == "STATE") {
    throw Error(ExitCode::usage, source + R"(: is a STATE message; pass only its "value")");
  }
  if (!document_.contains("bookmarks") || document_["bookmarks"].is_null()) {
    document_["bookmarks"] = Json::object();
  }
  Json& bookmarks = document_["bookmarks"];
  require(bookmarks.is_object(), "\"bookmarks\"", "an object", bookmarks);
  for (auto& [stream, bookmark] : bookmarks.items()) {
    positions_.emplace(stream, positions_.size());
    const std::string place = fmt::format("the bookmark of \"{}\"", stream);
    if (bookmark.is_null()) {
      bookmark = Json::object();
    }
    require(bookmark.is_object(), place, "an object", bookmark);
    for (const auto& [key, value] : bookmark.items()) {
      if (const auto known = std::ranges::find(kBookmarkKeys, key, &BookmarkKey::name);
          known != std::end(kBookmarkKeys) && !value.is_null()) {
        require(known->fits(value), fmt::format("{}: \"{}\"", place, key), known->wanted, value);
      }
    }
  }
  const auto syncing = document_.find("currently_syncing");
  if (syncing != document_.end()) {
    require(syncing->is_null() || syncing->is_string(), "\"currently_syncing\"", "a stream's id or null",
            *syncing);
  }
}

Json& State::bookmark(const std::string& stream) {
  Json::object_t& all = bookmarks();
  const auto [position, is_new] = positions_.emplace(stream, all.size());
  if (is_new) {
    all.push_back({stream, Json::object()});
  }
  return (all.begin() + static_cast<std::ptrdiff_t>(position->second))->second;
}

const Json* State::find_bookmark(const std::string& stream) const {
  const auto position = positions_.find(stream);
  if (position == positions_.end()) {
    return nullptr;
  }
  const auto& all = document_["bookmarks"].get_ref<const Json::object_t&>();
  return &(all.begin() + static_cast<std::ptrdiff_t>(position->second))->second;
}

void State::rename_bookmark(const std::string& from, const std::string& to) {
  Json renamed = std::move(bookmark(from));
  const std::size_t gap = positions_.at(from);
  bookmarks().erase(bookmarks().begin() + static_cast<std::ptrdiff_t>(gap));
  positions_.erase(from);
  for (auto& [stream, position] : positions_) {
    position -= position > gap ? 1 : 0;
  }
  bookmark(to) = std::move(renamed);
  if (currently_syncing() == from) {
    set_currently_syncing(to);
  }
}

std::optional<std::string> State::currently_syncing() const {
  const auto found = document_.find("currently_syncing");
  if (found == document_.end() || found->is_null()) {
    return std::nullopt;
  }
  return found->get<std::string>();
}

void State::set_currently_syncing(const std::optional<std::string>& stream) {
  document_["currently_syncing"] = stream ? Json(*stream) : Json(nullptr);
}

State load_state(const std::string& path) {
  return {parse_json(read_file(path), path), path};
}

}  // namespace tap::singer
