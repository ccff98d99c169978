#!/bin/sh
# Make .venv and install the course into it; when that is already done, return at once.
#
#   PYTHON=       the interpreter to use (default: the first suitable one on the PATH)
#   CONSTRAINTS=  the file of exact versions (default: constraints.txt; empty: the newest inside pyproject.toml's ranges)
#
# The last step of an installation writes a stamp. No stamp means that it was interrupted; another stamp than the
# one expected now means that the course, or the place where it lies, has changed since.
set -u

NEEDED="Python 3.11, 3.12 or 3.13"
NAMES="python3 python3.13 python3.12 python3.11 python"
PYTHON=${PYTHON-}
CONSTRAINTS=${CONSTRAINTS-constraints.txt}

cd "$(dirname "$0")/.." || exit 1
venv=.venv
stamp=$venv/.stamp
lock=.venv.lock
log=$venv/setup.log

say() { printf '%s\n' "$*"; }

refuse() {
    say "$*" >&2
    exit 1
}

# The version of an interpreter; fails when it is missing or does not run (as a version manager's stand-in may not).
version_of() { "$@" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' </dev/null 2>/dev/null; }

suits() {
    case $1 in
        3.11.* | 3.12.* | 3.13.*) return 0 ;;
        *) return 1 ;;
    esac
}

# Set $python and $version to the interpreter to build with, or say in one line why there is none.
find_python() {
    found='' bare=''
    # shellcheck disable=SC2086  # the names are to be split
    if [ -n "$PYTHON" ]; then set -- "$PYTHON"; else set -- $NAMES; fi
    for python in "$@"; do
        version=$(version_of "$python") || continue
        if ! suits "$version"; then
            found="${found:+$found, }$python = $version"
        elif ! "$python" -c 'import venv, ensurepip' </dev/null >/dev/null 2>&1; then
            bare=${bare:-"$python = $version"}
        else
            return 0
        fi
    done
    if [ -n "$bare" ]; then
        refuse "$bare cannot make a virtual environment: its modules venv and ensurepip are needed." \
            "Install them (on Debian and Ubuntu: apt install python3-venv), or name another Python:" \
            "make lab PYTHON=/path/to/python3.12"
    fi
    if [ -n "$PYTHON" ]; then none="nothing that runs as $PYTHON"; else none="no Python"; fi
    refuse "$NEEDED is needed (TensorFlow runs on no other); found ${found:-$none}." \
        "Install one of them, or name it: make lab PYTHON=/path/to/python3.12"
}

# What a finished installation with this minor version of Python is stamped with: whatever outdates it by changing.
expected_stamp() {
    say "versions ${CONSTRAINTS:-newest}"
    say "requirements $(cat pyproject.toml ${CONSTRAINTS:+"$CONSTRAINTS"} | cksum)"
    say "place $(pwd -P)"
    say "python $1"
}

# Why .venv cannot be used as it is: nothing (it can), or a reason for the learner.
reason() {
    [ -d "$venv" ] || { say "new"; return; }
    [ -f "$stamp" ] || { say "The last installation was interrupted"; return; }
    has=$(version_of "$venv/bin/python" -IS) || { say "The Python of .venv no longer runs"; return; }
    has=${has%.*}
    if [ -n "$PYTHON" ] && [ "$has" != "${version%.*}" ]; then
        say "Python ${version%.*} was asked for and .venv has $has"
        return
    fi
    now=$(expected_stamp "$has")
    was=$(cat "$stamp")
    [ "$was" != "$now" ] || return
    case $was in
        "versions ${CONSTRAINTS:-newest}"*"place $(pwd -P)"*"python $has") say "The course's requirements have changed" ;;
        "versions ${CONSTRAINTS:-newest}"*) say "The course's folder was moved, or its Python replaced" ;;
        *) say "Other versions were asked for than .venv has" ;;
    esac
}

# Let no second call work on the same .venv; a lock whose process is gone was left by an interrupted call.
take_lock() {
    for _ in first second; do
        if (set -C && say $$ >"$lock") 2>/dev/null; then
            trap 'rm -f "$lock"' EXIT
            trap 'exit 130' INT
            trap 'exit 143' HUP TERM
            return
        fi
        owner=$(cat "$lock" 2>/dev/null)
        if [ -n "$owner" ] && kill -0 "$owner" 2>/dev/null; then
            refuse "Another installation is running here (process $owner): wait for its end, then run this again."
        fi
        rm -f "$lock"
    done
    refuse "The course's folder cannot be written to, or the disk is full: $(pwd -P)"
}

# Write all that pip says to the log, and show what takes long or fails.
show_progress() {
    while IFS= read -r line; do
        say "$line" >>"$log"
        case $line in
            *Downloading*"("[0-9][0-9]*" MB)") say "  ${line#"${line%%[! ]*}"}" ;;
            "Installing collected packages"*) say "  Unpacking" ;;
            ERROR:*) say "$line" >&2 ;;
            "pip ended with 0") return 0 ;;
        esac
    done
    return 1
}

install() {
    {
        PIP_DISABLE_PIP_VERSION_CHECK=1 "$venv/bin/python" -m pip install --no-input --progress-bar off \
            -e '.[course]' ${CONSTRAINTS:+-c "$CONSTRAINTS"} 2>&1
        say "pip ended with $?"
    } | show_progress
}

if [ -n "$CONSTRAINTS" ] && [ ! -f "$CONSTRAINTS" ]; then
    refuse "CONSTRAINTS=$CONSTRAINTS names no file: name a file of exact versions, or leave it out."
fi
if [ -n "$PYTHON" ]; then find_python; fi
why=$(reason)
[ -n "$why" ] || exit 0

take_lock
if [ "$why" = "The course's requirements have changed" ] && [ -n "$CONSTRAINTS" ]; then
    say "$why: bringing .venv up to date."
    version=$(version_of "$venv/bin/python" -IS)
    rm -f "$stamp"
else
    if [ -z "$PYTHON" ]; then find_python; fi
    [ "$why" = new ] || say "$why: building .venv again."
    say "Installing the course into .venv for Python $version ($python):" \
        "about 0.8 GB to download, 3 GB on disk, some minutes."
    rm -f "$stamp"
    "$python" -m venv --clear "$venv" ||
        refuse "$python could not make .venv (its reason is above): name another Python with PYTHON=."
fi
install ||
    refuse "The installation failed (pip's words: $log): check the network connection, then run the same command again."
expected_stamp "${version%.*}" >"$stamp.new" && mv "$stamp.new" "$stamp" && say "Installed."
