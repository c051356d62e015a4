#!/bin/sh
# Builds dist/gitpip-OS-ARCHITECTURE.pyz from the locked wheels: one file that needs nothing but a
# Python of the same minor version as the one that builds it, and says so to any other.
#
#   deploy/build-single-file.sh OS ARCHITECTURE    linux x86_64, linux aarch64, macos x86_64, macos arm64
#
# SQLAlchemy has no compiled wheel for macOS on x86_64 any more, so there its pure Python is used,
# which does the same more slowly.
set -eu
cd "$(dirname "$0")/.."
usage="usage: deploy/build-single-file.sh OS ARCHITECTURE"
python=${PYTHON:-.venv/bin/python}
system=${1:?$usage}
architecture=${2:?$usage}

case $system in
    linux) platforms="manylinux_2_28_$architecture manylinux_2_17_$architecture manylinux2014_$architecture" ;;
    macos) platforms="macosx_14_0_$architecture macosx_13_0_$architecture macosx_12_0_$architecture macosx_11_0_$architecture macosx_10_15_$architecture macosx_10_13_$architecture macosx_10_12_$architecture macosx_10_9_$architecture" ;;
    *) echo "$system is no system this is built for: linux and macos are" >&2; exit 2 ;;
esac
options=
for platform in $platforms; do options="$options --platform $platform"; done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
packages=$folder/packages
# shellcheck disable=SC2086 # each platform is an option of its own
"$python" -m pip install --quiet --no-compile --disable-pip-version-check --target "$packages" \
    --only-binary=:all: $options --require-hashes -r requirements.txt
"$python" -m pip install --quiet --no-compile --disable-pip-version-check --target "$packages" --upgrade --no-deps \
    --no-build-isolation .

# A command of 32 MB that nothing runs: only the library next to it is used.
rm -rf "$packages/betterleaks/bin" "$packages/bin/betterleaks"

version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
cat > "$folder/right_python.py" <<END
import sys

if "%d.%d" % sys.version_info[:2] != "$version":
    sys.exit(
        "gitpip: this file needs Python $version, and this is %d.%d; run it with python$version"
        % sys.version_info[:2]
    )
END
mkdir -p dist
"$(dirname "$python")/shiv" --site-packages "$packages" --compressed --console-script gitpip \
    --preamble "$folder/right_python.py" --python "/usr/bin/env python$version" \
    --output-file "dist/gitpip-$system-$architecture.pyz"
