// SPDX-License-Identifier: Apache-2.0
#include <csignal>
#include <cstdlib>

#include <fcntl.h>
#include <unistd.h>

#include <tap/base/allocator.hpp>
#include <tap/base/error.hpp>
#include <tap/base/file.hpp>
#include <tap/base/json.hpp>
#include <tap/base/log.hpp>
#include <tap/base/output.hpp>
#include <tap/base/signals.hpp>
#include <tap/check/check.hpp>
#include <tap/cli/options.hpp>
#include <tap/config/about.hpp>
#include <tap/config/config.hpp>
#include <tap/discovery/discovery.hpp>
#include <tap/discovery/selection.hpp>
#include <tap/singer/catalog.hpp>
#include <tap/singer/state.hpp>
#include <tap/singer/writer.hpp>
#include <tap/sync/run.hpp>
#include <tap/sync/slots/commands.hpp>

namespace {

using namespace tap;

ExitCode discover(const cli::Options& options, const config::Config& config, singer::Writer& writer) {
  signals::exit_on_signal();  // libpqxx waits where nothing else can reach it
  std::optional<discovery::EarlierCatalog> earlier;
  if (options.catalog) {
    Json catalog = parse_json(read_file(*options.catalog, kMaxCatalogSize), *options.catalog);
    singer::read_catalog(catalog, *options.catalog);  // throws before the server is asked
    earlier.emplace(std::move(catalog));
  }
  discovery::Selector selector({options.select, options.replication_method, options.replication_key});
  discovery::discover(config, [&](discovery::DiscoveredStream& stream) {
    if (earlier) {
      earlier->keep(stream.entry);
    }
    selector.apply(stream);
    writer.catalog_entry(stream.entry);
  });
  if (earlier) {
    earlier->log_gone();
  }
  selector.check_all_used();
  writer.end_catalog();
  return ExitCode::done;
}

ExitCode sync_streams(const cli::Options& options, const config::Config& config, singer::Writer& writer) {
  singer::State state;
  if (options.state) {
    state = singer::State(parse_json(read_file(*options.state), *options.state), *options.state);
  }
  std::vector<singer::Stream> catalog;
  if (options.catalog) {
    catalog = singer::read_catalog(parse_json(read_file(*options.catalog, kMaxCatalogSize), *options.catalog),
                                   *options.catalog);
  }
  return sync::run(config, catalog, {options.refresh_all, options.refresh}, std::move(state), options.state,
                   writer);
}

ExitCode look_after_slot(const cli::Options& options, const config::Config& config) {
  switch (*options.slot) {
    case cli::SlotAction::status:
      write_stdout(sync::slot_status(config));
      break;
    case cli::SlotAction::create:
      sync::create_slot(config);
      break;
    case cli::SlotAction::drop:
      sync::drop_slot(config);
      break;
    case cli::SlotAction::acknowledge:
      sync::acknowledge(config,
                        singer::State(parse_json(read_file(*options.state), *options.state), *options.state));
      break;
  }
  return ExitCode::done;
}

ExitCode check_setup(const cli::Options& options) {
  signals::exit_on_signal();  // there is nothing to be put away
  const std::vector<check::Finding> findings =
      check::check({options.configs, options.catalog, options.state, {options.refresh_all, options.refresh}});
  write_stdout(options.json ? check::to_json_text(findings) : check::to_text(findings));
  return check::exit_code(findings);
}

ExitCode run(int argc, const char* const* argv) {
  if (fcntl(STDOUT_FILENO, F_GETFD) < 0) {  // the connection would get its number, and our messages
    throw Error(ExitCode::run_failed, "cannot write to stdout: it is closed");
  }
  const auto options = cli::parse(argc, argv);
  if (!options) {
    return ExitCode::done;
  }
  log::set_level(options->log_level);
  if (options->about) {
    write_stdout(options->json ? config::about_json() : config::about_text());
    return ExitCode::done;
  }
  if (options->check) {
    return check_setup(*options);
  }
  const config::Config config = config::load(options->configs);
  if (options->slot) {
    return look_after_slot(*options, config);
  }
  singer::Writer writer(STDOUT_FILENO);
  return options->discover ? discover(*options, config, writer) : sync_streams(*options, config, writer);
}

}  // namespace

int main(int argc, char** argv) {
  tap::configure_allocator();
  tap::log::initialize();
  std::signal(SIGPIPE, SIG_IGN);  // a closed stdout is an error of write(), told apart from others there
  signals::install_handlers();
  ExitCode code = ExitCode::done;
  try {
    code = run(argc, argv);
  } catch (const Interrupted& stopped) {
    log::warn("{}: the next run goes on from the last STATE", stopped.what());
    return 128 + stopped.signal();
  } catch (const singer::OutputClosed& closed) {
    log::debug("{}", closed.what());
    code = closed.code();
  } catch (const Error& error) {
    log::critical("{}", message_with_hint(error));
    code = error.code();
  } catch (const std::exception& error) {
    log::critical("{}: this is a defect of tap-postgres, please report it", error.what());
    code = ExitCode::run_failed;
  }
  return static_cast<int>(code);
}
