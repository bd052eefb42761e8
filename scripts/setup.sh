#!/bin/sh
# Make .venv with everything that requirements.lock names. A second run finds nothing to do.
# With the word "browser": also see to what the tests look at pages with: Chromium, and curl.
set -eu
cd "$(dirname "$0")/.."

# Names on PATH prove nothing: pyenv's shims exist for versions that are not there. So run them.
is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 12))' >/dev/null 2>&1
}

find_python() {
    for candidate in python3.13 python3.14 python3.12 python3 \
        "$HOME"/.pyenv/versions/3.13*/bin/python3 "$HOME"/.pyenv/versions/3.1[2-9]*/bin/python3; do
        if is_new_enough "$candidate"; then
            "$candidate" -c 'import sys; print(sys.executable)'
            return
        fi
    done
    {
        echo "Kvitt needs Python 3.12 or newer; none of python3.13, python3.14, python3.12 and"
        echo "python3 on your PATH runs as one. Debian 13, Ubuntu 24.04: sudo apt install python3"
        echo "macOS: brew install python@3.13"
    } >&2
    exit 1
}

is_root_on_debian() {
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

apt_install() {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null
}

# Debian keeps the part of Python that makes virtual environments in a package of its own.
make_venv() {
    python=$(find_python)
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        package=$("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
        if is_root_on_debian; then
            apt_install "$package" || apt_install python3-venv
        else
            echo "$python cannot make virtual environments. Run: sudo apt install $package" >&2
            exit 1
        fi
    fi
    "$python" -m venv --clear .venv
}

# uv is many times faster than pip. It comes from the lock too; where it cannot be had or cannot
# reach an index (pip may know a mirror that uv does not), pip does the same work with the same hashes.
install_locked() {
    awk '/^uv==/ { on = 1 } on { print } on && !/\\$/ { exit }' requirements.lock >.venv/uv.lock
    if .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r .venv/uv.lock && .venv/bin/uv pip sync --quiet --python .venv/bin/python \
        --require-hashes requirements.lock; then
        return
    fi
    echo "Installing with pip instead, which takes a minute." >&2
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes \
        -r requirements.lock
}

# WeasyPrint draws with Pango; libharfbuzz-subset makes a PDF three times as fast.
see_to_system_libraries() {
    libraries="libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core"
    if command -v dpkg-query >/dev/null; then
        # shellcheck disable=SC2086
        installed=$(dpkg-query -W -f '${db:Status-Status}\n' $libraries 2>/dev/null | grep -cx installed) || true
        [ "$installed" = 4 ] && return
        if is_root_on_debian; then
            # shellcheck disable=SC2086
            apt_install $libraries
        else
            echo "For invoices as PDF, run: sudo apt install $libraries" >&2
        fi
    elif [ "$1" = new ] && ! .venv/bin/python -c 'import weasyprint' >/dev/null 2>&1; then
        echo "For invoices as PDF, install Pango. macOS: brew install pango" >&2
    fi
}

see_to_browser() {
    missing=""
    [ -n "${CHROMIUM:-}" ] || command -v chromium >/dev/null || missing="chromium fonts-dejavu-core"
    command -v curl >/dev/null || missing="$missing curl"
    # The gate of production wants a font for each script that a name may be written in.
    if is_root_on_debian; then
        fonts="fonts-noto-core fonts-noto-cjk"
        # shellcheck disable=SC2086
        installed=$(dpkg-query -W -f '${db:Status-Status}\n' $fonts 2>/dev/null | grep -cx installed) || true
        [ "$installed" = 2 ] || missing="$missing $fonts"
    fi
    if [ -z "$missing" ]; then
        return
    elif is_root_on_debian; then
        echo "Installing for the tests: $missing. A minute the first time." >&2
        # shellcheck disable=SC2086
        apt_install $missing
    else
        echo "The tests need a browser and curl. Run: sudo apt install $missing" >&2
        echo "Or name another Chromium with CHROMIUM=/path/to/it." >&2
        exit 1
    fi
}

[ "${1:-}" = browser ] && see_to_browser
wanted=$(cksum requirements.lock scripts/setup.sh)
if is_new_enough .venv/bin/python && [ "$(cat .venv/kvitt-stamp 2>/dev/null)" = "$wanted" ]; then
    see_to_system_libraries known
    exit
fi
echo "Setting up .venv: a minute the first time." >&2
is_new_enough .venv/bin/python && .venv/bin/python -m pip --version >/dev/null 2>&1 || make_venv
install_locked
see_to_system_libraries new
echo "$wanted" >.venv/kvitt-stamp
