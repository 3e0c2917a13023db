// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cerrno>
#include <climits>
#include <utility>

#include <poll.h>
#include <spdlog/fmt/fmt.h>
#include <sys/stat.h>
#include <unistd.h>

#include <tap/base/signals.hpp>
#include <tap/singer/writer.hpp>

namespace tap::singer {

namespace {

// A buffer that one huge row has made larger than this is freed.
constexpr std::size_t kKeptCapacity = std::size_t{4} << 20U;

}  // namespace

RecordFrame::RecordFrame(std::string_view stream, std::optional<std::int64_t> version,
                         std::string_view time_extracted)
    : before(fmt::format(R"({{"type":"RECORD","stream":{},"record":{{)", to_text(stream))),
      after(fmt::format("}}{},\"time_extracted\":\"{}\"}}\n",
                        version ? fmt::format(",\"version\":{}", *version) : "", time_extracted)) {}

void Writer::schema(std::string_view stream, const Json& schema,
                    const std::vector<std::string>& key_properties,
                    const std::vector<std::string>& bookmark_properties) {
  message({{"type", "SCHEMA"},
           {"stream", stream},
           {"schema", schema},
           {"key_properties", key_properties},
           {"bookmark_properties", bookmark_properties}});
}

void Writer::activate_version(std::string_view stream, std::int64_t version) {
  message({{"type", "ACTIVATE_VERSION"}, {"stream", stream}, {"version", version}});
}

std::size_t Writer::state(const Json& state) {
  if (receiver_) {
    receiver_(buffer_.view(), &state);
    buffer_.clear();
    return 0;
  }
  const std::size_t start = buffer_.size();
  buffer_.append(R"({"type":"STATE","value":)");  // not a message(): a copy of the state would be large
  append_json(buffer_, state);
  buffer_.append("}\n");
  const std::size_t size = buffer_.size() - start;
  flush();
  return size;
}

void Writer::catalog_entry(const Json& entry) {
  buffer_.append(std::exchange(has_catalog_, true) ? ",\n    " : "{\n  \"streams\": [\n    ");
  append_json(buffer_, entry, 2, 2);
  if (buffer_.size() >= kKeptCapacity) {
    flush();
  }
}

void Writer::finish_catalog() {
  buffer_.append("\n  ]\n}\n");
  flush();
}

void Writer::message(const Json& message) {
  append_json(buffer_, message);
  buffer_.push('\n');
}

void Writer::while_blocked(std::function<void()> meanwhile) {
  struct stat status {};
  may_block_ = ::fstat(file_, &status) == 0 &&
               (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || ::isatty(file_) == 1);
  meanwhile_ = std::move(meanwhile);
}

std::size_t Writer::wait_for_room(std::size_t size) {
  constexpr std::size_t surely_free = PIPE_BUF;  // poll() promises no more of a pipe
  constexpr int one_second = 1000;
  if (!may_block_) {
    return size;
  }
  pollfd output{file_, POLLOUT, 0};
  const int ready = ::poll(&output, 1, one_second);
  if (ready == 0) {
    meanwhile_();
  }
  return ready == 0 || (ready < 0 && errno == EINTR) ? 0 : std::min(size, surely_free);
}

void Writer::wait_until_writable() const {
  constexpr int one_second = 1000;
  pollfd output{file_, POLLOUT, 0};
  if (::poll(&output, 1, one_second) == 0 && meanwhile_) {
    meanwhile_();
  }
}

void Writer::part(std::string_view text) {
  record_bytes_ += text.size();
  if (text.size() < kEnough) {
    buffer_.append(text);
  } else {  // not copied: it may be the largest value of all
    flush();
    write(text);
  }
}

void Writer::flush() {
  write(buffer_.view());
  buffer_.clear();
  buffer_.shrink(kKeptCapacity);
}

void Writer::write(std::string_view left) {
  if (receiver_ && !left.empty()) {
    receiver_(left, nullptr);
    return;
  }
  while (!left.empty()) {
    if (const auto signal = signals::signal_without_grace()) {
      complete_line(left);
      throw OutputStalled(*signal);
    }
    const std::size_t room = meanwhile_ ? wait_for_room(left.size()) : left.size();
    if (room == 0) {  // or a signal has come: a write would block until the next one
      continue;
    }
    const ssize_t written = ::write(file_, left.data(), room);
    if (written >= 0) {
      is_in_line_ = written > 0 ? left[static_cast<std::size_t>(written) - 1] != '\n' : is_in_line_;
      left.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      wait_until_writable();
    } else if (errno != EINTR) {
      throw_output_error(errno);
    }
  }
}

void Writer::complete_line(std::string_view left) const {
  const auto end = left.find('\n');
  if (is_in_line_ && end != std::string_view::npos) {
    write_in_background(file_, left.substr(0, end + 1));
  }
}

}  // namespace tap::singer
