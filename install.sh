#!/bin/sh
# Installs safe-agent for the user who calls it, from this checkout: bubblewrap if it is missing, a
# Python environment of its own with hash-pinned packages, the three commands in ~/.local/bin, and the keys. Runs again
# without harm, and quickly where nothing changed.
#
#   ./install.sh               install or bring up to date
#   ./install.sh --demo        install, then show it at work: no account, no network beyond the packages
#   ./install.sh --corpus      install with what `safe-agent corpus` needs besides (Arrow, DuckDB, Ray: 800 MB); it stays so
#   ./install.sh --test [ARGS] set up all that the tests need (real clients included) and run them; ARGS go to pytest
#   ./install.sh --uninstall   remove what this script made, and aliases; logs, keys and policies stay
#
# Exit codes: 0 done; 1 something is missing or failed, with a hint; with --test and --demo their own.
set -eu

# What could lead Python or pip into another environment than ours. How pip reaches its index stays as it is.
unset PYTHONPATH PYTHONHOME PYTHONSTARTUP VIRTUAL_ENV PIP_TARGET PIP_PREFIX PIP_ROOT PIP_USER PIP_PYTHON \
    PIP_REQUIREMENT PIP_CONSTRAINT PIP_REQUIRE_HASHES PIP_REQUIRE_VIRTUALENV PIP_EDITABLE PIP_DRY_RUN PIP_REPORT

say() { printf '%s\n' "$@" >&2; }
fail() { say "install.sh: $1"; say "hint: $2"; exit 1; }

# base VALUE FALLBACK: a folder of the XDG Base Directory Specification, which tells to ignore relative paths
base() {
    case $1 in
        /*) printf '%s\n' "$1" ;;
        *) printf '%s\n' "$HOME/$2" ;;
    esac
}

[ -d "${HOME:-}" ] || fail 'HOME is not a folder' 'set HOME to your home folder'
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
data=$(base "${XDG_DATA_HOME:-}" .local/share)/safe-agent
config=$(base "${XDG_CONFIG_HOME:-}" .config)/safe-agent
state=$(base "${XDG_STATE_HOME:-}" .local/state)/safe-agent
cache=$(base "${XDG_CACHE_HOME:-}" .cache)/safe-agent
clients=${SAFE_AGENT_TEST_CLIENTS:-/var/tmp/safe-agent-tests-$(id -u)}
venv=$data/venv
bin=$HOME/.local/bin
commands='safe-agent safe-claude safe-codex'

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then sudo -n "$@"
    elif command -v sudo >/dev/null 2>&1 && [ -t 0 ]; then sudo "$@"
    else return 1
    fi
}

# packages COMMAND PACKAGE ...: installs the Debian packages whose commands are not there, all at once.
packages() {
    missing=''
    while [ $# -gt 0 ]; do
        command -v "$1" >/dev/null 2>&1 || missing="$missing $2"
        shift 2
    done
    if ! can_make_environments; then
        is_python_new_enough python3 || ! command -v python3 >/dev/null 2>&1 || too_old
        missing="$missing python3 python3-venv"
    fi
    missing=${missing# }
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null 2>&1 || fail "missing: $missing" 'install them with the package manager of this system'
    as_root true || fail "missing: $missing" "run as root: apt-get install $missing"
    say "installing $missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update </dev/null >/dev/null || true
    # shellcheck disable=SC2086 # a list of package names
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y $missing </dev/null >/dev/null ||
        fail "could not install $missing" "run as root: apt-get install $missing"
    can_make_environments || too_old
}

# The system's own first: the sandbox shows /usr, and what an environment made by another one links to may lie elsewhere.
find_python() {
    for candidate in /usr/bin/python3 python3.14 python3.13 python3.12 python3.11 python3; do
        # `ensurepip` is what Debian leaves out of its python3
        if is_python_new_enough "$candidate" && "$candidate" -I -c 'from ensurepip import version' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}
is_python_new_enough() { "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }
too_old() { fail 'Python 3.11 or later is needed' 'install one beside the old, with its venv module (python3.11, python3.11-venv)'; }
can_make_environments() { find_python >/dev/null; }

# A stamp says from what something was made, so that it is only made again when that changed.
is_stamped() { [ "$(cat "$1" 2>/dev/null)" = "$2" ]; }
digest() { (cd "$here" && find "$@" -type f ! -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum); }

building=''
put_back() { # an environment that could not be made leaves the one before it in place
    [ -n "$building" ] || return 0
    rm -rf "$building"
    [ ! -d "$building.before" ] || mv "$building.before" "$building"
}
trap put_back EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

# make_environment FOLDER REQUIREMENTS: a virtual environment with exactly these packages.
make_environment() {
    python=$(find_python)
    wanted="$("$python" -I -VV) $(digest requirements-build.txt "$2")"
    [ -x "$1/bin/python" ] && is_stamped "$1/.requirements" "$wanted" && return 0
    say "making a Python environment ($("$python" -I -V)); this fetches packages, half a minute"
    rm -rf "$1.before"
    [ ! -d "$1" ] || mv "$1" "$1.before"
    building=$1
    "$python" -I -m venv "$1" || fail 'could not make a Python environment' 'run as root: apt-get install python3-venv'
    for list in requirements-build.txt "$2"; do
        in_environment "$1" --require-hashes --only-binary :all: -r "$here/$list" ||
            fail 'could not install the Python packages' 'see the message above; check that pip reaches its package index'
    done
    printf '%s\n' "$wanted" >"$1/.requirements"
    building=''
    rm -rf "$1.before"
}

in_environment() { # FOLDER PIP-ARGUMENTS...
    prefix=$1
    shift
    "$prefix/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-input --no-user "$@" </dev/null >&2
}

# install_package FOLDER SOURCES... [-- PIP-OPTIONS]: safe-agent itself, again only when one of its sources changed.
install_package() {
    folder=$1 sources=''
    shift
    while [ $# -gt 0 ] && [ "$1" != -- ]; do
        sources="$sources $1"
        shift
    done
    [ $# = 0 ] || shift
    # shellcheck disable=SC2086 # a list of names of ours
    wanted="$here $(digest $sources)"
    is_stamped "$folder/.safe-agent" "$wanted" && return 0
    in_environment "$folder" --no-deps --no-build-isolation --force-reinstall "$@" "$here" ||
        fail 'could not install safe-agent itself' 'see the message above'
    isolate "$folder"
    printf '%s\n' "$wanted" >"$folder/.safe-agent"
}

# isolate FOLDER: its commands take no code from where PYTHON... variables lead: an empty entry in PYTHONPATH is the
# current folder, which may be a stranger's clone. What pip cannot name behind `#!`, it starts by a shell.
isolate() {
    for command in $commands; do
        # shellcheck disable=SC2016 # of the command's own shell
        sed -i -e '1s|^#!\(/[^ ]*/python[^ ]*\)$|#!\1 -I|' -e '2s|^\(.*exec. [^$]*\)"\$0" "\$@"$|\1-I "$0" "$@"|' "$1/bin/$command"
        head -n 2 "$1/bin/$command" | grep -q -e ' -I\b' ||
            fail "could not isolate $1/bin/$command" 'please report this, with its first two lines'
    done
}

refuse_strangers() {
    for command in $commands; do
        if [ -e "$bin/$command" ] && [ ! -L "$bin/$command" ]; then
            fail "$bin/$command is not ours" 'move it away'
        fi
    done
}

link_commands() {
    mkdir -p "$bin"
    for command in $commands; do
        ln -sfn "$venv/bin/$command" "$bin/$command"
    done
}

install_all() {
    [ "$(uname -s)" = Linux ] || fail "safe-agent needs Linux, this is $(uname -s)" 'use another machine, a virtual one, or a container'
    refuse_strangers
    packages bwrap bubblewrap
    mkdir -p "$data" || fail "cannot write $data" 'make the folder yours, or point XDG_DATA_HOME elsewhere'
    packages=requirements.txt
    if [ "${1:-}" = --corpus ] || [ -e "$data/corpus" ]; then packages=requirements-corpus.txt; fi
    make_environment "$venv" "$packages"
    [ "${1:-}" != --corpus ] || : >"$data/corpus"
    install_package "$venv" wrapper redactors configs pyproject.toml README.md
    link_commands
    "$venv/bin/safe-agent" keys make >&2 || exit 1
    # its check of the rules leaves their compiled form in the cache: the first session need not wait for it
    checked=$(cd "$here" && "$venv/bin/safe-agent" doctor --no-attacks 2>&1) || problem='a session cannot start on this machine yet: see the fixes above'
    if [ -n "${problem:-}" ] || [ "${1:-}" != --demo ]; then say "$checked" ${problem:+"$problem"}; fi
}

is_reachable() {
    case :$PATH: in
        *":$bin:"*) ;;
        *) return 1 ;;
    esac
}

show() {
    packages git git
    "$venv/bin/safe-agent" demo || exit $?
    is_reachable ||
        say '' "the commands are in ~/.local/bin, which is not in PATH yet: \`~/.local/bin/safe-agent alias --write\` adds it"
}

advise() {
    # shellcheck disable=SC2088 # for the reader
    is_reachable && agent=safe-agent || agent='~/.local/bin/safe-agent'
    say '' "installed. To say \`claude\` and mean \`safe-claude\`, let your shell read these lines at its start:"
    "$venv/bin/safe-agent" alias
    say '' "next:" "  $agent alias --write   # puts them into your shell's rc file; --remove takes them out" \
        "  $agent doctor          # attacks itself" "  $agent demo            # see it work: no account, no network"
}

# An alias that outlives its command would take `claude` away from every new shell.
remove_aliases() {
    for shell in bash zsh fish; do
        case $shell in
            bash) rc=$HOME/.bashrc ;;
            zsh) rc=${ZDOTDIR:-$HOME}/.zshrc ;;
            fish) rc=$(base "${XDG_CONFIG_HOME:-}" .config)/fish/config.fish ;;
        esac
        grep -qsF '# >>> safe-agent >>>' "$rc" || continue
        "$venv/bin/safe-agent" alias --remove --shell "$shell" >&2 ||
            say "$rc still has the lines of \`safe-agent alias\`: remove them by hand"
    done
}

uninstall() {
    remove_aliases
    for command in $commands; do
        if [ "$(readlink "$bin/$command" 2>/dev/null)" = "$venv/bin/$command" ]; then rm -f "$bin/$command"; fi
    done
    rm -rf "$venv" "$venv.before" "$cache" "$data/corpus"
    rmdir "$data" 2>/dev/null || true
    say 'removed. Logs, keys and policies stay:'
    say "  $state"
    say "  $config"
    for left in "$here/.venv" "$clients"; do
        [ ! -d "$left" ] || say "what --test made stays: $left"
    done
}

install_clients() {
    mkdir -p "$clients"
    [ -O "$clients" ] || fail "$clients belongs to someone else" 'set SAFE_AGENT_TEST_CLIENTS to a folder of your own'
    wanted=$(digest tests/clients/package.json tests/clients/package-lock.json)
    is_stamped "$clients/.complete" "$wanted" && return 0
    say 'installing Claude Code and Codex for the tests'
    rm -f "$clients/.complete"
    cp "$here/tests/clients/package.json" "$here/tests/clients/package-lock.json" "$clients/"
    (cd "$clients" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null >&2) ||
        fail 'could not install the clients' 'see the message above; check that npm reaches its registry'
    # the one script of theirs that `npm install` would run: it puts the native program in place of a stub
    node "$clients/node_modules/@anthropic-ai/claude-code/install.cjs" >&2 ||
        fail 'could not complete the installation of Claude Code' 'see the message above'
    chmod -R a+rX "$clients"
    printf '%s\n' "$wanted" >"$clients/.complete"
}

run_tests() {
    packages bwrap bubblewrap git git age age curl curl script bsdutils xxd xxd hexdump bsdextrautils \
        shellcheck shellcheck npm npm rg ripgrep rsync rsync vim vim perl perl make build-essential cc build-essential \
        chromium chromium strace strace zsh zsh fish fish jq jq redis-server redis-server redis-cli redis-tools \
        /usr/bin/pip3 python3-pip gh gh go golang-go /usr/bin/cargo cargo ssh openssh-client /usr/sbin/sshd openssh-server \
        psql postgresql /usr/sbin/mariadbd mariadb-server mariadb mariadb-client wget wget
    install_clients
    make_environment "$here/.venv" tests/requirements.txt
    install_package "$here/.venv" pyproject.toml wrapper/version.py -- --editable
    cd "$here"
    export SAFE_AGENT_TEST_CLIENTS="$clients"
    [ $# = 0 ] || exec "$here/.venv/bin/python" -m pytest "$@"
    exec "$here/.venv/bin/python" tests/halves.py
}

option=${1:-}
[ $# = 0 ] || shift
case $option in
    --test) run_tests "$@" ;;
    -h | --help) sed -n '2,13s/^# \{0,1\}//p' "$0" ;;
    '' | --demo | --corpus | --uninstall)
        [ $# = 0 ] || fail "unexpected argument $1" './install.sh --help'
        case $option in
            '') install_all; advise ;;  # not `&&`: the shell would go on after errors within
            --demo) install_all --demo; show ;;
            --corpus) install_all --corpus; advise ;;
            --uninstall) uninstall ;;
        esac
        ;;
    *) fail "unknown option $option" './install.sh --help' ;;
esac
