# shellcheck shell=sh
# The virtual environment of this installation: finds a Python, makes .venv, installs the package into it.
#
# Read by `quickstart` and `test`, from the installation directory. Needs python3 of 3.11 or newer and one of
# ensurepip (Debian: python3-venv) and pip (Debian: python3-pip). A second call changes nothing and is quick:
# .venv/installed-* hold the checksum of what was installed last.

VENV_PYTHON=.venv/bin/python

step() {
    printf '\n==> %s\n' "$*"
}

fail() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 1
}

# find_python: sets `python` to an interpreter of 3.11 or newer, and `python_name` to its name
find_python() {
    python='' too_old=''
    for python_name in python3 python3.14 python3.13 python3.12 python3.11; do
        found=$(command -v "$python_name") || continue
        version=$("$found" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null) || continue
        if "$found" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            python=$found
            return
        fi
        too_old="$too_old${too_old:+, }$found is Python $version"
    done
    if [ -n "$too_old" ]; then
        fail "Python 3.11 or newer is needed, but $too_old, and there is no python3.11, python3.12 or python3.13" \
            "beside it; install one of them"
    fi
    fail "Python 3.11 or newer is needed, and there is no python3; install python3 (Debian: apt-get install" \
        "python3 python3-venv)"
}

# environment_works: whether .venv is a virtual environment of a suitable Python that still runs
environment_works() {
    "$VENV_PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11) or sys.prefix == sys.base_prefix)' \
        >/dev/null 2>&1
}

has_pip() {
    "$1" -m pip --version >/dev/null 2>&1
}

# make_environment: .venv, with a pip of its own where ensurepip is there
make_environment() {
    if environment_works; then
        return
    fi
    find_python
    step "Making the virtual environment .venv with $python"
    if [ ! -w . ]; then
        fail "$(id -un) may not write in $(pwd); make it the owner of this folder, or call this as its owner"
    fi
    if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1 && "$python" -m venv --clear .venv; then
        return
    fi
    # An older pip than 22.3 can't install into another environment.
    if "$python" -m pip --python "$python" --version >/dev/null 2>&1 &&
        "$python" -m venv --without-pip --clear .venv; then
        return
    fi
    fail "$python can neither make a virtual environment with pip in it nor install into one; install the" \
        "Debian package $python_name-venv or python3-pip (apt-get install $python_name-venv), then call this again"
}

# quiet_pip ARGUMENT ...: pip for .venv; whatever the user's own settings say, it installs there
quiet_pip() {
    unset PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV PYTHONHOME PYTHONPATH
    PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1
    export PIP_ROOT_USER_ACTION PIP_DISABLE_PIP_VERSION_CHECK PIP_NO_INPUT
    if has_pip "$VENV_PYTHON"; then
        "$VENV_PYTHON" -m pip "$@"
        return
    fi
    [ -n "${python:-}" ] || find_python
    "$python" -m pip --python "$VENV_PYTHON" "$@"
}

# fingerprint: what an installation depends on
fingerprint() {
    cksum setup.cfg pyproject.toml
    pwd
    "$VENV_PYTHON" -V
}

# install_package [EXTRA]: the package itself, editable, and what it needs
install_package() {
    extra=${1:-}
    stamp=.venv/installed-${extra:-package}
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ]; then
        return
    fi
    step "Installing the package${extra:+ with what the $extra needs} into .venv (the first time this takes a minute)"
    set -- --editable ".${extra:+[$extra]}"
    has_pip "$VENV_PYTHON" || set -- pip "$@"
    (quiet_pip install -qq "$@") || fail "pip could not install the packages; the lines above say why"
    # A daemon that may not write here would compile the package anew at every start.
    "$VENV_PYTHON" -m compileall -q taskserver || :
    fingerprint >"$stamp"
    if [ -n "$extra" ]; then
        fingerprint >.venv/installed-package
    fi
}
