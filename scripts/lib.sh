# shellcheck shell=bash disable=SC2034 # variables are used by the scripts that source this file
# Sourced by the other scripts: installs the Debian packages that they need.

# Debian's interpreter, the only one that sees the python3-* packages.
python=/usr/bin/python3

build_packages=(build-essential cmake ninja-build pkg-config
  libpq-dev libpqxx-dev libssh-dev libsimdjson-dev nlohmann-json3-dev libcli11-dev libspdlog-dev)
server_packages=(postgresql python3 python3-psycopg2)
test_packages=(catch2 python3-jsonschema python3-yaml openssh-server openssl pgbouncer iproute2 groff-base)
# Formats and checks depend on the version of these tools. The versions of Debian 12 decide.
clang_packages=(clang-format-14 clang-tidy-14)
fuzz_packages=(clang-14 libclang-rt-14-dev llvm-14)
lint_packages=(black flake8 shellcheck shfmt)

# need_server: installs a PostgreSQL server and the wal2json plugin of its version.
need_server() {
  need "${server_packages[@]}"
  local version
  version=$(printf '%s\n' /usr/lib/postgresql/* | sort -V | tail -n 1)
  version=${version##*/}
  need "postgresql-$version-wal2json"
}

heading() {
  printf '\n== %s\n' "$*"
}

# need PACKAGE...: installs missing packages. Prints nothing if there are none.
need() {
  command -v apt-get >/dev/null || return 0
  local package missing=()
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  if ((EUID != 0)); then
    echo "Missing packages. Run as root: apt-get install ${missing[*]}" >&2
    return 1
  fi
  heading "Installing ${missing[*]}"
  apt-get update -qq
  forbid_main_cluster
  apt_install "${missing[@]}"
  # These packages start servers at boot; this machine should not.
  [[ " ${missing[*]} " != *" openssh-server "* ]] || switch_off ssh
  [[ " ${missing[*]} " != *" pgbouncer "* ]] || switch_off pgbouncer
}

# switch_off SERVICE: keeps it from starting with the machine.
switch_off() {
  if command -v systemctl >/dev/null; then
    systemctl disable "$1.service" "$1.socket" &>/dev/null || true
  fi
  update-rc.d "$1" disable &>/dev/null || true
}

# Keeps the PostgreSQL server package from creating and starting a cluster on the standard port.
# Leaves an existing setting unchanged.
forbid_main_cluster() {
  apt_install postgresql-common
  local conf=/etc/postgresql-common/createcluster.conf
  grep -q '^ *create_main_cluster' "$conf" || echo 'create_main_cluster = false' >>"$conf"
}

# Installs packages without starting their services (Debian policy 9.3.3.2): the tests start
# servers.
apt_install() {
  local policy=/usr/sbin/policy-rc.d
  if [[ -e $policy ]]; then
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" >/dev/null
    return
  fi
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod +x "$policy"
  local code=0
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --no-install-recommends "$@" >/dev/null || code=$?
  rm -f "$policy"
  return "$code"
}
