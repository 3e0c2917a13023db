// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <tap/base/json.hpp>
#include <tap/base/log.hpp>
#include <tap/base/printable.hpp>

namespace tap::log {

namespace {

bool terminal = false;  // people see the lines as they come
bool shown = false;     // the last line is one of show()

constexpr const char* kClearLine = "\r\033[K";

constexpr std::string_view kBeforeTime = R"({"time":")";

bool writes_json = false;
std::array<char, 256> last_line;  // for a signal handler
std::size_t last_line_size = 0;

/// Writes `value` into the `count` characters that end before `end`. Returns the first of them.
char* put_digits(char* end, unsigned value, unsigned count) noexcept {
  for (; count > 0; --count, value /= 10) {
    *--end = static_cast<char>('0' + value % 10);
  }
  return end;
}

/// Puts the time, UTC, over the digits of one like `2026-11-25T09:10:11.123Z`. Calls nothing that a signal
/// handler must not.
void put_time(char* text) noexcept {
  using namespace std::chrono;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const auto days = floor<std::chrono::days>(sys_seconds(seconds(now.tv_sec)));
  const year_month_day date(days);
  const auto of_day = static_cast<unsigned>((sys_seconds(seconds(now.tv_sec)) - days).count());
  put_digits(text + 4, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put_digits(text + 7, static_cast<unsigned>(date.month()), 2);
  put_digits(text + 10, static_cast<unsigned>(date.day()), 2);
  put_digits(text + 13, of_day / 3600, 2);
  put_digits(text + 16, of_day / 60 % 60, 2);
  put_digits(text + 19, of_day % 60, 2);
  put_digits(text + 23, static_cast<unsigned>(now.tv_nsec / 1000000), 3);
}

/// Level names as Singer's other taps write them, so that log filters go on working.
class LevelName : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    constexpr std::array<std::string_view, 7> names = {"DEBUG", "DEBUG",    "INFO", "WARNING",
                                                       "ERROR", "CRITICAL", ""};
    const std::string_view name = names.at(static_cast<std::size_t>(message.level));
    out.append(name.data(), name.data() + name.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelName>();
  }
};

std::string printable_message(const spdlog::details::log_msg& message) {
  return printable({message.payload.data(), message.payload.size()});
}

/// The message on one line.
class OneLine : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    const std::string text = printable_message(message);
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<OneLine>();
  }
};

/// The message as a JSON string.
class JsonString : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    Buffer text;
    append_json_string(text, printable_message(message));
    out.append(text.view().data(), text.view().data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<JsonString>();
  }
};

spdlog::level::level_enum to_spdlog(Level level) {
  constexpr std::array levels = {spdlog::level::debug, spdlog::level::info, spdlog::level::warn,
                                 spdlog::level::err, spdlog::level::critical};
  return levels.at(static_cast<std::size_t>(level));
}

std::unique_ptr<spdlog::formatter> make_formatter() {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<LevelName>('N');
  if (writes_json) {
    formatter->add_flag<JsonString>('J').set_pattern(std::string(kBeforeTime) +
                                                     R"(%Y-%m-%dT%H:%M:%S.%eZ","level":"%N","message":%J})");
  } else {
    formatter->add_flag<OneLine>('M').set_pattern("%N %M");
  }
  return formatter;
}

}  // namespace

void start() {
  if (fcntl(STDERR_FILENO, F_GETFD) < 0) {  // the connection would get its number, and our lines
    const int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere != STDERR_FILENO) {
      dup2(nowhere, STDERR_FILENO);
      close(nowhere);
    }
  }
  auto logger = std::make_shared<spdlog::logger>("tap", std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_formatter(make_formatter());
  spdlog::set_default_logger(std::move(logger));
  terminal = isatty(STDERR_FILENO) != 0;
}

void set_level(Level least) {
  spdlog::set_level(to_spdlog(least));
}

void use_json() {
  terminal = false;
  writes_json = true;
  spdlog::default_logger()->set_formatter(make_formatter());
}

bool is_on(Level level) {
  return spdlog::should_log(to_spdlog(level));
}

bool is_on_terminal() {
  return terminal;
}

void show(std::string_view line) {
  if (terminal && is_on(Level::info)) {
    fmt::print(stderr, "{}{}", kClearLine, printable(line));
    std::fflush(stderr);
    shown = true;
  }
}

void write(Level level, std::string_view message) {
  if (shown && is_on(level)) {
    fmt::print(stderr, "{}", kClearLine);
    shown = false;
  }
  spdlog::log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

void prepare_last_line(Level level, std::string_view message) {
  spdlog::memory_buf_t line;
  if (is_on(level)) {
    const spdlog::details::log_msg entry("tap", to_spdlog(level),
                                         spdlog::string_view_t(message.data(), message.size()));
    make_formatter()->format(entry, line);
  }
  last_line_size = std::min(line.size(), last_line.size());
  std::copy_n(line.data(), last_line_size, last_line.begin());
}

void write_last_line() noexcept {
  pollfd entry{STDERR_FILENO, POLLOUT, 0};
  if (last_line_size == 0 || poll(&entry, 1, 0) <= 0) {
    return;
  }
  if (writes_json) {
    put_time(last_line.data() + kBeforeTime.size());
  }
  const auto written = ::write(STDERR_FILENO, last_line.data(), last_line_size);
  static_cast<void>(written);
}

}  // namespace tap::log
