#!/bin/sh
# Makes ready to be copied: the environment $1, our own tree $2 and, into $3, what the base gets: a user, and the
# bytecode of the standard library, which official images come without. It has to be made here, for in a pod nothing can
# be written. Modes and times are the same each time.
set -eu
epoch=$SOURCE_DATE_EPOCH

settle() {
  chmod -R u=rwX,go=rX "$@"
  find "$@" -exec touch --no-dereference --date "@$epoch" {} +
}

compile() { python3 -m compileall -q --invalidation-mode timestamp "$@"; }

# Bytecode names its source's time, so that has to be the last one.
settle "$1" "$2"
compile "$1/lib"
compile -s "$2" "$2"

library=$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')
compile -x '/(config-[^/]*|dist-packages|ensurepip|idlelib|pydoc_data|site-packages|test|tkinter|turtledemo)/' "$library"
mkdir -p "$3/etc"
find "$library" -name '*.pyc' -exec cp --parents {} "$3" \;
cp /etc/passwd /etc/group "$3/etc/"
echo 'greenroom:x:65532:65532:Greenroom:/tmp:/usr/sbin/nologin' >>"$3/etc/passwd"
echo 'greenroom:x:65532:' >>"$3/etc/group"

settle "$1" "$2" "$3"
