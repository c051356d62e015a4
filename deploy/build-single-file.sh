#!/bin/sh
# Builds dist/gitpip-OS-ARCHITECTURE.pyz from the locked wheels: one file that needs nothing but a
# Python of the same minor version as the one that builds it.
#
#   deploy/build-single-file.sh OS ARCHITECTURE    linux x86_64, linux aarch64, macos x86_64, macos arm64
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-.venv/bin/python}
system=$1
architecture=$2

case $system in
    linux) platforms="manylinux_2_28_$architecture manylinux_2_17_$architecture manylinux2014_$architecture" ;;
    macos) platforms="macosx_14_0_$architecture macosx_12_0_$architecture macosx_11_0_$architecture macosx_10_15_$architecture macosx_10_13_$architecture macosx_10_12_$architecture macosx_10_9_$architecture" ;;
    *) echo "$system is no system this is built for: linux and macos are" >&2; exit 2 ;;
esac
options=
for platform in $platforms; do options="$options --platform $platform"; done

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# shellcheck disable=SC2086 # each platform is an option of its own
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" \
    --only-binary=:all: $options --require-hashes -r requirements.txt
"$python" -m pip install --quiet --disable-pip-version-check --target "$folder" --upgrade --no-deps \
    --no-build-isolation .
mkdir -p dist
"$(dirname "$python")/shiv" --site-packages "$folder" --compressed --console-script gitpip \
    --python '/usr/bin/env python3' --output-file "dist/gitpip-$system-$architecture.pyz"
