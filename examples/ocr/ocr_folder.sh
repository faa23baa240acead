#!/bin/sh
# Recognises the text on every page image of a folder: ocr_folder.sh [--] FOLDER [LANG]
#
# The text of page-1.png is written to page-1.png.txt beside it, first under a temporary name, so that a file of
# the final name is always whole. A page that has its text already, newer than the image, is left alone: a run
# that was stopped goes on where it was. A page that can't be read does not hold up the others; the run fails at
# its end and names it. For each page it tells PROGRESS <percent> page N of M.
set -u

fail() {
    echo "$1" >&2
    exit 1
}

[ "${1-}" = "--" ] && shift
folder=${1-}
lang=${2:-eng}

case $folder in
    /*) ;;
    *) fail "the folder must be an absolute path, not '$folder'" ;;
esac
[ -d "$folder" ] || fail "there is no folder $folder"
for permission in -r -w -x; do
    test "$permission" "$folder" || fail "$(id -un) may not work in $folder"
done
command -v tesseract >/dev/null || fail "tesseract is not installed; on Debian: apt install tesseract-ocr"
for one in $(printf '%s' "$lang" | tr + ' '); do
    tesseract --list-langs 2>/dev/null | grep -qxF -- "$one" ||
        fail "tesseract does not know the language $one; on Debian: apt install tesseract-ocr-$one"
done

# One run at a time works in a folder. The lock goes with the processes that hold it, however they end.
exec 9<"$folder"
flock -w 30 9 || fail "another run works in $folder"

set --
for page in "$folder"/*.png "$folder"/*.jpg "$folder"/*.jpeg "$folder"/*.tif "$folder"/*.tiff; do
    [ -f "$page" ] && set -- "$@" "$page"
done
[ $# -gt 0 ] || fail "there are no page images (png, jpg, tif) in $folder"

part=
trap '[ -z "$part" ] || rm -f -- "$part"' EXIT
trap 'exit 143' TERM INT HUP

number=0
done_before=0
unread=
for page; do
    number=$((number + 1))
    name=${page##*/}
    text=$page.txt
    echo "PROGRESS $((100 * (number - 1) / $#)) page $number of $#"
    if [ -f "$text" ] && [ -n "$(find "$text" -newer "$page")" ]; then
        done_before=$((done_before + 1))
        continue
    fi
    # Not written by tesseract itself, which does not notice that a disk is full.
    if ! recognised=$(tesseract "$page" stdout -l "$lang"); then
        echo "page $number of $# can't be read: $name" >&2
        unread="$unread $name"
        continue
    fi
    part=$text.part
    # Without sync a power cut could leave an empty file under the final name.
    if ! { printf '%s\n' "$recognised" >"$part" && sync "$part" && mv -f "$part" "$text"; }; then
        fail "$text can't be written"
    fi
    part=
done

[ -z "$unread" ] || fail "these pages can't be read:$unread"
echo "$# pages, $done_before of them done before"
