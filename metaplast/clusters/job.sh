# SLURM sends SIGUSR1 before the time limit, and SIGTERM at preemption and scancel. Both go on to
# the program, which saves its finished steps and ends with 138 or 143.
signals=0
asked=
child=
# shellcheck disable=SC2329
forward() {
    signals=$((signals + 1))
    asked=$1
    if [ -n "$child" ]; then
        kill -s "$asked" "$child" 2>/dev/null
    fi
}
trap 'forward USR1' USR1
trap 'forward TERM' TERM

# carry_out COMMAND...: set `code` to its exit code. A signal ends `wait`, but not the command.
carry_out() {
    local before
    "$@" &
    child=$!
    if [ -n "$asked" ]; then
        kill -s "$asked" "$child" 2>/dev/null
    fi
    while true; do
        before=$signals
        wait "$child"
        code=$?
        if [ "$signals" -eq "$before" ]; then
            break
        fi
    done
}

# end CODE: tell the job after this one how this one ended.
end() {
    echo "$1" >"$side/$name.code"
    echo "$(date '+%F %T') $name: job $job ended with $1"
}

set_aside() {
    echo "$run: $1, kept in $side"
    mv "$run" "$side/$name.$1-$(date +%s)"
}

rm -f "$side/$name.code"
count "$name" "$run"
echo "$(date '+%F %T') $name: job $job on ${SLURM_JOB_NODELIST:-this node}, try $tries"
if [ "$tries" -gt "$limit" ]; then
    rm "$side/$name.tries"
    end stuck
    exit 1
fi

if [ -d "$run" ] && [ ! -e "$run/config.yaml" ]; then
    set_aside unbegun
fi
if [ -e "$run/config.yaml" ]; then
    carry_out "${go_on[@]}"
else
    carry_out "${begin[@]}"
fi
if [ "$code" -eq 4 ]; then
    set_aside damaged
    carry_out "${begin[@]}"
fi
end "$code"
# A requeued job keeps its number. Where that is not allowed, the job after this one submits it anew.
# Of several processes, SIGTERM may end the last ones (143).
if [ "$code" -eq 138 ] || { [ "$asked" = USR1 ] && [ "$code" -ge 128 ]; }; then
    scontrol requeue "$job" || echo "$job: not requeued by scontrol"
fi
exit "$code"
