# follow: a job like this one follows the job.
follow() {
    sbatch "$@" --dependency="afterany:$id" "$side/after.sbatch" ||
        echo "nothing follows job $id - when it has ended: bash $side/after.sbatch"
}

id=
if [ -s "$side/job" ]; then
    id=$(cat "$side/job")
    if squeue --noheader --jobs="$id" 2>/dev/null | grep -q .; then
        echo "job $id is still there"
        if [ -n "${SLURM_JOB_ID:-}" ]; then
            follow --begin=now+60
        fi
        exit
    fi
fi

# state INDEX: the state in which a job ended, as far as SLURM still knows it.
state() {
    scontrol --oneliner show job "$(job_of "$1")" 2>/dev/null | grep -o 'JobState=[A-Z_]*' ||
        sacct --noheader --allocations --jobs="$(job_of "$1")" --format=State 2>/dev/null
}

again=()
named=()
for index in "${!names[@]}"; do
    name=${names[$index]}
    code=lost
    if [ -s "$side/$name.code" ]; then
        code=$(cat "$side/$name.code")
    fi
    case $code in
        0) ;;
        2 | 4 | 5 | 6 | 126 | 127) named+=("$name: ended with exit code $code") ;;
        stuck) named+=("$name: $limit jobs in a row got no further") ;;
        cancelled) named+=("$name: its job was cancelled") ;;
        *)
            if [ -n "$id" ] && [[ $(state "$index") == *CANCELLED* ]]; then
                echo cancelled >"$side/$name.code"
                named+=("$name: its job was cancelled")
            else
                again+=("$index")
            fi
            ;;
    esac
done

count .after "${names[@]/#/$base/}"
if [ ${#again[@]} -gt 0 ] && [ "$tries" -le "$limit" ]; then
    if id=$(submit "$(IFS=, && echo "${again[*]}")"); then
        id=${id%%;*}
        echo "$id" >"$side/job"
        echo "$(date '+%F %T') ${#again[@]} of ${#names[@]} submitted: job $id"
        follow
        exit
    fi
    echo "not submitted - go on with: bash $side/after.sbatch"
fi
rm -f "$side/.after.tries" "$side/not_done.txt"
for index in "${again[@]}"; do
    named+=("${names[$index]}: not finished")
done
conclude || named+=("the table: it ended with exit code $?")
if [ ${#named[@]} -gt 0 ]; then
    printf '%s\n' "${named[@]}" | tee "$side/not_done.txt"
    exit 1
fi
echo "$(date '+%F %T') ${#names[@]} of ${#names[@]} done"
