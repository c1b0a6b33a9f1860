#!/bin/sh
# Run a Python script in the project's venv, making the venv first where it is missing or out of date.
# The recipe's values stay in the environment; nothing of theirs is ever read as shell text.
set -eu
umask go-w
venv=${VENV:-.venv}
stamp=$venv/.requirements
say() { echo "set-up: $*" >&2; }
stop() { say "$*"; exit 2; }

if ! cmp -s requirements.txt "$stamp"; then
    git rev-parse --git-dir >/dev/null 2>&1 || {
        command -v git >/dev/null || stop "git is not installed. Install it with: sudo apt-get install git git-lfs"
        case $(git rev-parse --git-dir 2>&1) in
            *dubious*) stop "this folder belongs to another user, so git refuses it. If you trust it: git config --global --add safe.directory '$(pwd)'" ;;
            *) stop "this folder is not a git repository. Make it one with: git init && git add -A && git commit -m start" ;;
        esac
    }
    python=${PYTHON:-python3}
    command -v "$python" >/dev/null || stop "$python is not installed. Install it with: sudo apt-get install python3 python3-venv"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "Python 3.11 or newer is needed, and $python is $("$python" -V 2>&1). Name another with: make PYTHON=/path/to/python3"
    if ! command -v git-lfs >/dev/null; then
        root=
        [ "$(id -u)" = 0 ] || root="sudo -n"
        { command -v apt-get >/dev/null && { [ -z "$root" ] || sudo -n true 2>/dev/null; }; } || stop "git-lfs is not installed. Install it with: sudo apt-get install git-lfs"
        say "installing git-lfs with apt-get"
        { $root apt-get install -y -q git-lfs || { $root apt-get update -q && $root apt-get install -y -q git-lfs; }; } >/dev/null 2>&1 ||
            stop "git-lfs could not be installed. Try: sudo apt-get update && sudo apt-get install git-lfs"
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null || stop "Python's venv module is missing. Install it with: sudo apt-get install python3-venv"
    say "making $venv with the packages of requirements.txt, about a minute"
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || stop "$venv could not be made."
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-warn-script-location --requirement requirements.txt || stop "the packages of requirements.txt could not be installed (see above). Is the network there?"
    cp requirements.txt "$stamp"
fi
PATH=$(cd "$venv/bin" && pwd):$PATH
export PATH
unset PYTHONDONTWRITEBYTECODE  # compiling the scripts anew each time would take longer than most of them do
exec "$venv/bin/python" "$@"
