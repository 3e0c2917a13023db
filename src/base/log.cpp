// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>

#include <fcntl.h>
#include <poll.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <tap/base/buffer.hpp>
#include <tap/base/json_string.hpp>
#include <tap/base/log.hpp>
#include <tap/base/text.hpp>

namespace tap::log {

namespace {

std::mutex g_mutex;         // guards stderr
bool terminal = false;      // stderr is a terminal, and the log is text
bool shows_status = false;  // the last line is one of show_status()

constexpr const char* kClearLine = "\r\033[K";

constexpr std::string_view kBeforeTime = R"({"time":")";
constexpr std::string_view kBeforeEpochTime = R"({"ts":)";

Format line_format = Format::text;
std::array<char, 256> signal_message;  // a whole line, prepared for a signal handler
std::size_t signal_message_size = 0;

/// Writes the last `count` digits of `value` before `end`. Returns the start.
char* put_digits(char* end, unsigned value, unsigned count) noexcept {
  for (; count > 0; --count, value /= 10) {
    *--end = static_cast<char>('0' + value % 10);
  }
  return end;
}

/// Overwrites the digits of a time such as `1795833301.123`, in seconds, with the current one. Safe in a
/// signal handler.
void overwrite_epoch_time(char* text) noexcept {
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  put_digits(text + 10, static_cast<unsigned>(now.tv_sec), 10);
  put_digits(text + 14, static_cast<unsigned>(now.tv_nsec / 1000000), 3);
}

/// The same for a time such as `2026-11-25T09:10:11.123Z`, UTC.
void overwrite_time(char* text) noexcept {
  using namespace std::chrono;
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  const auto days = floor<std::chrono::days>(sys_seconds(seconds(now.tv_sec)));
  const year_month_day date(days);
  const auto second_of_day = static_cast<unsigned>((sys_seconds(seconds(now.tv_sec)) - days).count());
  put_digits(text + 4, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put_digits(text + 7, static_cast<unsigned>(date.month()), 2);
  put_digits(text + 10, static_cast<unsigned>(date.day()), 2);
  put_digits(text + 13, second_of_day / 3600, 2);
  put_digits(text + 16, second_of_day / 60 % 60, 2);
  put_digits(text + 19, second_of_day % 60, 2);
  put_digits(text + 23, static_cast<unsigned>(now.tv_nsec / 1000000), 3);
}

/// The level names of Python's logging module, which log filters for the other taps expect; the SDK writes
/// them in small letters.
class LevelName : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    constexpr std::array<std::string_view, 7> names = {"DEBUG", "DEBUG",    "INFO", "WARNING",
                                                       "ERROR", "CRITICAL", ""};
    constexpr std::array<std::string_view, 7> small_names = {"debug", "debug",    "info", "warning",
                                                             "error", "critical", ""};
    const auto& of_format = line_format == Format::singer_sdk ? small_names : names;
    const std::string_view name = of_format.at(static_cast<std::size_t>(message.level));
    out.append(name.data(), name.data() + name.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<LevelName>();
  }
};

std::string printable_text(const spdlog::details::log_msg& message) {
  return to_printable_line({message.payload.data(), message.payload.size()});
}

/// Formats the message as one line.
class OneLine : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    const std::string text = printable_text(message);
    out.append(text.data(), text.data() + text.size());
  }
  [[nodiscard]] std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<OneLine>();
  }
};

/// Formats the message as a JSON string; the SDK adds the object of a metric.
class JsonString : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    Buffer text;
    const std::string line = printable_text(message);
    if (line_format == Format::singer_sdk && line.starts_with(kMetric)) {
      text.append(R"("METRIC","metric_info":)");
      text.append(std::string_view(line).substr(kMetric.size()));
    } else {
      append_json_string(text, line);
    }
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
  switch (line_format) {
    case Format::text:
      formatter->add_flag<OneLine>('M').set_pattern("%N %M");
      break;
    case Format::json:
      formatter->add_flag<JsonString>('J').set_pattern(
          std::string(kBeforeTime) + R"(%Y-%m-%dT%H:%M:%S.%eZ","level":"%N","message":%J})");
      break;
    case Format::singer_sdk:
      formatter->add_flag<JsonString>('J').set_pattern(
          std::string(kBeforeEpochTime) +
          R"(%E.%e,"level":"%N","pid":%P,"logger_name":"tap-postgres","thread_name":"MainThread",)"
          R"("app_name":"tap-postgres","message":%J})");
      break;
  }
  return formatter;
}

}  // namespace

void initialize() {
  if (fcntl(STDERR_FILENO, F_GETFD) < 0) {  // else a socket would get this descriptor, and our messages
    const int null_device = open("/dev/null", O_WRONLY);
    if (null_device != STDERR_FILENO) {
      dup2(null_device, STDERR_FILENO);
      close(null_device);
    }
  }
  auto logger = std::make_shared<spdlog::logger>("tap", std::make_shared<spdlog::sinks::stderr_sink_st>());
  logger->set_formatter(make_formatter());
  spdlog::set_default_logger(std::move(logger));
  terminal = isatty(STDERR_FILENO) != 0;
}

void set_level(Level minimum) {
  spdlog::set_level(to_spdlog(minimum));
}

void set_format(Format wanted) {
  terminal = terminal && wanted == Format::text;
  line_format = wanted;
  spdlog::default_logger()->set_formatter(make_formatter());
}

bool is_enabled(Level level) {
  return spdlog::should_log(to_spdlog(level));
}

bool is_on_terminal() {
  return terminal;
}

void show_status(std::string_view line) {
  if (terminal && is_enabled(Level::info)) {
    const std::lock_guard lock(g_mutex);
    fmt::print(stderr, "{}{}", kClearLine, to_printable_line(line));
    std::fflush(stderr);
    shows_status = true;
  }
}

void write(Level level, std::string_view message) {
  const std::lock_guard lock(g_mutex);
  if (shows_status && is_enabled(level)) {
    fmt::print(stderr, "{}", kClearLine);
    shows_status = false;
  }
  spdlog::log(to_spdlog(level), spdlog::string_view_t(message.data(), message.size()));
}

void prepare_signal_message(Level level, std::string_view message) {
  spdlog::memory_buf_t line;
  if (is_enabled(level)) {
    const spdlog::details::log_msg entry("tap", to_spdlog(level),
                                         spdlog::string_view_t(message.data(), message.size()));
    make_formatter()->format(entry, line);
  }
  signal_message_size = std::min(line.size(), signal_message.size());
  std::copy_n(line.data(), signal_message_size, signal_message.begin());
}

void write_signal_message() noexcept {
  pollfd entry{STDERR_FILENO, POLLOUT, 0};
  if (signal_message_size == 0 || poll(&entry, 1, 0) <= 0) {
    return;
  }
  if (line_format == Format::json) {
    overwrite_time(signal_message.data() + kBeforeTime.size());
  } else if (line_format == Format::singer_sdk) {
    overwrite_epoch_time(signal_message.data() + kBeforeEpochTime.size());
  }
  const auto written = ::write(STDERR_FILENO, signal_message.data(), signal_message_size);
  static_cast<void>(written);
}

}  // namespace tap::log
