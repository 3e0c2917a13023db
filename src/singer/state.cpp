// SPDX-License-Identifier: Apache-2.0
#include <spdlog/fmt/fmt.h>

#include <tap/base/error.hpp>
#include <tap/singer/state.hpp>

namespace tap::singer {

State::State(Json document, const std::string& source) : document_(std::move(document)) {
  const auto must_be_object = [&](const Json& value, const std::string& place) {
    if (!value.is_object()) {
      throw Error(ExitCode::usage,
                  fmt::format("{}: {} must be an object, but is {}", source, place, value.type_name()));
    }
  };
  must_be_object(document_, "the state");
  if (!document_.contains("bookmarks") || document_["bookmarks"].is_null()) {
    document_["bookmarks"] = Json::object();
  }
  must_be_object(document_["bookmarks"], "\"bookmarks\"");
  for (const auto& [stream, bookmark] : document_["bookmarks"].items()) {
    must_be_object(bookmark, fmt::format("the bookmark of \"{}\"", stream));
  }
  const auto syncing = document_.find("currently_syncing");
  if (syncing != document_.end() && !syncing->is_null() && !syncing->is_string()) {
    throw Error(ExitCode::usage,
                fmt::format("{}: \"currently_syncing\" must be a stream's id or null, but is {}", source,
                            syncing->type_name()));
  }
}

Json& State::bookmark(const std::string& stream) {
  Json& bookmark = document_["bookmarks"][stream];
  if (bookmark.is_null()) {
    bookmark = Json::object();
  }
  return bookmark;
}

bool State::has_bookmark(const std::string& stream) const {
  return document_["bookmarks"].contains(stream);
}

void State::rename_bookmark(const std::string& from, const std::string& to) {
  Json& bookmarks = document_["bookmarks"];
  Json bookmark = std::move(bookmarks[from]);
  bookmarks.erase(from);
  bookmarks[to] = std::move(bookmark);
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

}  // namespace tap::singer
