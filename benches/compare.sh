#!/usr/bin/env bash
# Compares the benchmarks of two builds: runs them in turn and prints the ratio new / old of every figure.
#
#     benches/compare.sh OLD NEW [ROUNDS] [BENCH...]
#
# OLD and NEW are checkouts, whose benchmarks are built first, or folders with built ones, such as a copy of
# `target/release/deps`. ROUNDS is 5 by default, BENCH is `kernels passes screen`.
#
# Each round runs both builds, in alternating order, so that a machine that slows down slows both. A line gives the
# median of the ratios of the rounds with their smallest and largest, and the medians of the old and the new times.
# Below 1 the new build is faster. Times are in milliseconds.
set -euo pipefail

[ $# -ge 2 ] || { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 2; }
old=$1 new=$2 rounds=${3:-5}
shift $(($# < 3 ? $# : 3))
[ $# -gt 0 ] || set -- kernels passes screen

# Prints the path of a built benchmark.
built() {
    if [ -f "$1/Cargo.toml" ]; then
        (cd "$1" && cargo bench --no-run --bench "$2" --message-format json) |
            sed -n 's/.*"name":"'"$2"'".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
    else
        find "$1" -maxdepth 1 -type f -perm -u+x -name "$2-*" ! -name '*.*' -printf '%T@ %p\n' |
            sort -n | tail -n 1 | cut -d ' ' -f 2-
    fi
}

# Reads the output of a benchmark and prints `figure<tab>milliseconds`. A figure is a number with a decimal point, in
# front of "ms" if the line says so anywhere. Its name is the text in front of it, after the last heading (`# ...`).
figures() {
    awk '
        /^#/ { heading = $0 "  "; next }
        {
            rest = $0; first = ""; only_ms = /[0-9] ms/; count = 0
            while (match(rest, /[0-9]+\.[0-9]+/)) {
                text = substr(rest, 1, RSTART - 1)
                value = substr(rest, RSTART, RLENGTH)
                rest = substr(rest, RSTART + RLENGTH)
                if (only_ms && rest !~ /^ ms/) continue
                sub(/^ ms,? */, "", text)
                gsub(/ +/, " ", text)
                if (first == "") { first = text; name = text } else name = first (text == " " ? ++count : text)
                name = heading name
                sub(/:? *$/, "", name)
                printf "%s%s\t%s\n", name, (seen[name]++ ? " (" seen[name] ")" : ""), value
            }
        }'
}

results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
for bench in "$@"; do
    old_bench=$(built "$old" "$bench") new_bench=$(built "$new" "$bench")
    for path in "$old_bench" "$new_bench"; do
        [ -x "$path" ] || { echo "error: no benchmark $bench in $old or $new" >&2; exit 1; }
    done
    for ((round = 0; round < rounds; round++)); do
        order="old new"
        ((round % 2)) && order="new old"
        for which in $order; do
            path=${which}_bench
            "${!path}" --bench | figures | sed "s/^/$round\t$which\t/" >>"$results/$bench"
        done
        echo "$bench: round $((round + 1)) of $rounds" >&2
    done
    echo "== $bench"
    awk -F '\t' '
        function median(list, count,    i, j, swap) {
            for (i = 2; i <= count; i++)
                for (j = i; j > 1 && list[j - 1] > list[j]; j--) {
                    swap = list[j]; list[j] = list[j - 1]; list[j - 1] = swap
                }
            return count % 2 ? list[(count + 1) / 2] : (list[count / 2] + list[count / 2 + 1]) / 2
        }
        { time[$2, $3, $1] = $4; if (!($3 in known)) { known[$3]; names[++total] = $3 } if ($1 + 1 > rounds) rounds = $1 + 1 }
        END {
            printf "%8s %8s %8s %12s %12s  %s\n", "median", "min", "max", "old ms", "new ms", "figure"
            for (n = 1; n <= total; n++) {
                name = names[n]; count = 0
                delete ratio; delete before; delete after
                for (round = 0; round < rounds; round++) {
                    if (!(("old", name, round) in time) || !(("new", name, round) in time)) continue
                    if (time["old", name, round] + 0 == 0) continue
                    count++
                    before[count] = time["old", name, round] + 0
                    after[count] = time["new", name, round] + 0
                    ratio[count] = after[count] / before[count]
                }
                if (!count) continue
                middle = median(ratio, count)
                if (middle > 0) { sum += log(middle); figures++ }
                printf "%8.3f %8.3f %8.3f %12.3f %12.3f  %s\n", middle, ratio[1], ratio[count], median(before, count), median(after, count), name
            }
            if (figures) printf "%8.3f  geometric mean of %d medians\n", exp(sum / figures), figures
        }' "$results/$bench"
done
