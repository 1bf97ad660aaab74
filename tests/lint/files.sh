#!/bin/bash
# Print the files of the source tree whose names match one of the patterns: files.sh '*.c' '*.h'
# In a git checkout those that git knows, elsewhere all but build/.
set -eu
if [ -e .git ]; then
    git ls-files -- "$@" | while read -r file; do
        # A file that was deleted and not yet committed is gone.
        [ -f "$file" ] && echo "$file"
    done
    exit 0
fi
patterns=()
for pattern in "$@"; do patterns+=(-o -name "$pattern"); done
find . -name build -prune -o -type f \( "${patterns[@]:1}" \) -print | sed 's|^\./||' | sort
