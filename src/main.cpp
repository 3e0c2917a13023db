// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <new>

#include <fcntl.h>
#include <unistd.h>

#include <tap/base/error.hpp>
#include <tap/base/log.hpp>
#include <tap/base/output.hpp>
#include <tap/base/platform.hpp>
#include <tap/base/signals.hpp>
#include <tap/check/check.hpp>
#include <tap/cli/options.hpp>
#include <tap/config/about.hpp>
#include <tap/config/config.hpp>
#include <tap/config/dotenv.hpp>
#include <tap/discovery/selection.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/parts/merge.hpp>
#include <tap/sync/parts/part.hpp>
#include <tap/sync/row_filter.hpp>
#include <tap/sync/run.hpp>
#include <tap/sync/slots/commands.hpp>
#include <tap/sync/summary.hpp>

namespace {

using namespace tap;

constexpr int kOfSignals = 128;  // exit codes of processes that a signal has ended

std::string about_text(cli::Format format) {
  switch (format) {
    case cli::Format::json:
      return config::about_json();
    case cli::Format::markdown:
      return config::about_markdown();
    case cli::Format::text:
      break;
  }
  return config::about_text();
}

ExitCode run_check(const cli::Options& options) {
  signals::exit_on_signal();  // a check has no state to save
  const std::vector<check::Finding> findings =
      check::check({options.configs, options.catalog, options.state, options.refresh});
  write_stdout(options.format == cli::Format::json ? check::to_json_text(findings)
                                                   : check::to_text(findings));
  return check::exit_code(findings);
}

ExitCode discover(const cli::Options& options) {
  const config::Config config = config::load(options.configs);
  signals::exit_on_signal();  // libpqxx waits without checking for signals
  singer::Writer writer(STDOUT_FILENO);
  discovery::write_catalog(config, options.catalog, options.selection, writer);
  return ExitCode::done;
}

ExitCode run_slot_command(const cli::Options& options) {
  const config::Config config = config::load(options.configs);
  sync::run_slot_command(*options.slot, config, {options.catalog, options.state});
  return ExitCode::done;
}

ExitCode split(const cli::Options& options) {
  signals::exit_on_signal();
  const auto config = options.configs.empty() ? std::nullopt : std::optional(config::load(options.configs));
  sync::split_catalog(*options.catalog, config ? &*config : nullptr, options.parts, options.folder);
  return ExitCode::done;
}

ExitCode sync_streams(const cli::Options& options, sync::RunReport& report) {
  const config::Config config = config::load(options.configs);
  singer::State state = options.state ? singer::load_state(*options.state) : singer::State();
  singer::Catalog loaded = options.catalog ? singer::load_catalog(*options.catalog) : singer::Catalog();
  sync::refuse_mistaken_row_filters(config, loaded);
  std::vector<singer::Stream> catalog = std::move(loaded.streams);
  sync::FullRefresh refresh = options.refresh;
  singer::Writer writer(STDOUT_FILENO);
  if (options.part) {
    std::vector<singer::Stream> part = sync::streams_of_part(catalog, config, *options.part);
    refresh = sync::refresh_of_part(refresh, catalog, part);
    catalog = std::move(part);
    if (catalog.empty()) {
      writer.state(state.document());  // so that each part of a run has a state
      return ExitCode::done;
    }
  }
  return sync::run(config, catalog, refresh, std::move(state), options.state, writer, report);
}

ExitCode run(int argc, const char* const* argv) {
  if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {  // a socket would get its number, and receive our messages
    throw Error(ExitCode::run_failed, "cannot write to stdout: it is closed");
  }
  const auto options = cli::parse(argc, argv);
  if (!options) {
    return ExitCode::done;
  }
  log::set_level(options->log_level);
  config::report(options->dotenv);
  switch (options->command) {
    case cli::Command::about:
      write_stdout(about_text(options->format));
      return ExitCode::done;
    case cli::Command::check:
      return run_check(*options);
    case cli::Command::discover:
      return discover(*options);
    case cli::Command::slot:
      return run_slot_command(*options);
    case cli::Command::split:
      return split(*options);
    case cli::Command::merge_states:
      write_stdout(sync::merge_state_files(options->states, options->base));
      return ExitCode::done;
    case cli::Command::sync:
      return sync::SummaryFile(options->summary, options->part).cover([&](sync::RunReport& report) {
        return sync_streams(*options, report);
      });
  }
  return ExitCode::done;
}

}  // namespace

int main(int argc, char** argv) {
  tap::configure_allocator();
  tap::find_certificate_authorities();
  tap::log::initialize();
  std::signal(SIGPIPE, SIG_IGN);  // write() reports a closed stdout instead
  std::signal(SIGXFSZ, SIG_IGN);  // and a file that may not grow
  signals::install_handlers();
  ExitCode code = ExitCode::done;
  try {
    code = run(argc, argv);
  } catch (const Interrupted& interrupted) {
    log::warn("{}: the next run resumes from the last STATE", interrupted.what());
    return kOfSignals + interrupted.signal();
  } catch (const OutputStalled& stalled) {
    log::warn("{}: the next run resumes from the last STATE", stalled.what());
    return kOfSignals + stalled.signal();
  } catch (const singer::OutputClosed& closed) {
    log::debug("{}", closed.what());
    code = closed.code();
  } catch (const Error& error) {
    log::critical("{}", message_with_hint(error));
    code = error.code();
  } catch (const std::bad_alloc&) {
    log::critical(
        "out of memory: raise the limit (ulimit -v, or that of the container), or lower `parallel`");
    code = ExitCode::run_failed;
  } catch (const std::exception& error) {
    log::critical("{}: this is a bug in tap-postgres, please report it", error.what());
    code = ExitCode::run_failed;
  }
  return static_cast<int>(code);
}
