#!/usr/bin/env bash
# A sweep of recipes x tasks x seeds: on this machine, on Ray, or as a job array of Slurm. The same command goes on after
# anything was killed, because the state of a sweep is its folder.
#
#   examples/cluster_sweep.sh local runs/first                  # all cores of this machine
#   examples/cluster_sweep.sh ray /shared/first                 # the cluster of RAY_ADDRESS, or Ray on this machine
#   examples/cluster_sweep.sh slurm /shared/first               # submits one array job; needs sbatch
#   RECIPES="dreamer_v2 dreamer_v3" TASKS=CartPole-v1 SEEDS=0:5 examples/cluster_sweep.sh local runs/second
#
# More options are settings of all cells: ... local runs/first --size tiny --frames 1000
set -euo pipefail

where=${1:?local, ray or slurm} folder=${2:?a folder that all nodes see}
shift 2
read -ra recipes <<<"${RECIPES:-dreamer_v1 dreamer_v3}"
read -ra tasks <<<"${TASKS:-Pendulum-v1}"
threads=${THREADS:-1}
sweep=(reverie sweep "$folder" --recipes "${recipes[@]}" --tasks "${tasks[@]}" --seeds "${SEEDS:-0:3}")
sweep+=(--threads "$threads" "$@")

case $where in
local) exec "${sweep[@]}" ;;
ray) exec "${sweep[@]}" --on ray ;;
slurm)
  commands=${folder%/}.commands.txt array=${folder%/}.array.sh # beside the folder, which belongs to the sweep
  mkdir -p "$(dirname "$folder")"
  "${sweep[@]}" --print-commands >"$commands"
  count=$(wc -l <"$commands")
  [ "$count" -gt 0 ] || { echo "Every cell is complete." && exit 0; }
  # Exit code 75 says that another process still owns the cell, such as one on a node that was lost.
  cat >"$array" <<'ARRAY'
#!/bin/bash
until srun bash -c "$(sed -n "${SLURM_ARRAY_TASK_ID}p" "$1")"; do
  [ $? = 75 ] || exit 1
  sleep 30
done
ARRAY
  exec sbatch --array="1-$count" --cpus-per-task="$threads" --requeue --signal=USR1@120 "$array" "$commands"
  ;;
*)
  echo "The first word says where: local, ray or slurm, not '$where'." >&2
  exit 2
  ;;
esac
