#!/usr/bin/env bash
# The whole pipeline as Slurm jobs: an array of N tasks for each stage, chained by dependency, and one job that exports.
# All tasks work on one RUN in a folder that the nodes share. Run it again and it goes on: what is done ends at once.
#
# Usage: bash scripts/slurm/submit.sh CONFIG RUN N [SBATCH OPTION]...
#
#   N                  tasks of each array: each sees to every N-th part (lemma's --shard); shards.size of CONFIG should
#                      leave some parts for each. rpm, tpm and budget are divided by N, concurrency is each task's own.
#   SBATCH OPTION      such as --partition=cpu --time=24:00:00, for every job
#   LEMMA              in the environment: which lemma to run (default: the one on the PATH)
#   LEMMA_OPTIONS      in the environment: options for every stage, such as "--quiet --limit 5000"
#
# A task that ends with units left to do (status 3) or fails keeps all later jobs from starting; they are cancelled.
set -euo pipefail

case "${1:-}" in -h | --help) sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "$0"; exit 0 ;; esac
if [ $# -lt 3 ] || ! [[ "$3" =~ ^[1-9][0-9]{0,5}$ ]]; then
    echo "usage: bash $0 CONFIG RUN N [SBATCH OPTION]...      (--help says more)" >&2
    exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
config=$(realpath -- "$1") run=$(realpath -m -- "$2") tasks="$3"
shift 3
[ -f "$config" ] || { echo "submit.sh: $config: there is no such file" >&2; exit 1; }
logs="$(dirname "$run")/$(basename "$run").slurm" # beside the run: a new run's folder has to be empty
mkdir -p "$logs"

# submit NAME DEPENDENCY [SBATCH OPTION]... -- ARGUMENT...      sets $job
submit() {
    local name="$1" dependency="$2"
    shift 2
    local options=(--parsable "--job-name=lemma-$name")
    [ -z "$dependency" ] || options+=("--dependency=$dependency" --kill-on-invalid-dep=yes)
    while [ "$1" != -- ]; do options+=("$1"); shift; done
    shift
    job=$(sbatch "${options[@]}" "$here/stage.sbatch" "$@")
    job=${job%%;*} # ID;CLUSTER on some clusters
    echo "$name: job $job${dependency:+ after $dependency}"
}

array=("--array=1-$tasks" "--output=$logs/%x-%A_%a.log")
arguments=("$config" "$run" "$tasks")
submit sample "" "${array[@]}" "$@" -- sample "${arguments[@]}"
submit analyze "aftercorr:$job" "${array[@]}" "$@" -- analyze "${arguments[@]}" # a task reads what the same task made
submit inject "afterok:$job" "${array[@]}" "$@" -- inject "${arguments[@]}"     # needs the whole analysis
submit correct "aftercorr:$job" "${array[@]}" "$@" -- correct "${arguments[@]}"
submit smooth "aftercorr:$job" "${array[@]}" "$@" -- smooth "${arguments[@]}"
submit export "afterok:$job" "--output=$logs/%x-%j.log" "$@" -- export "${arguments[@]}" # one job: writes them all
echo "logs: $logs      state: squeue --me, lemma status $run"
