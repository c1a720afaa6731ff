# phases.awk, with -v source=NAME: what `nvcc --time` wrote becomes a table, seconds of every phase. Its lines are source, phase,
# input, output, architecture, tool, number and unit.
BEGIN { FS = " *, *" }
NR > 1 && $8 == "ms" {
  phase = $2; sub(/ *\(.*/, "", phase)
  if (phase == "gcc") phase = $2 ~ /compiling/ ? "g++, the host's part" : "g++, preprocessing"
  if ($5 != "" && phase ~ /^(cicc|ptxas)$/) { arch = $5; gsub(/[^0-9]/, "", arch); phase = phase " for " arch }
  if (!(phase in seconds)) order[++phases] = phase
  seconds[phase] += $7 / 1000; total += $7 / 1000
}
END {
  printf "| %s | seconds |\n|---|---|\n", source
  for (k = 1; k <= phases; ++k) printf "| %s | %.1f |\n", order[k], seconds[order[k]]
  printf "| together | %.1f |\n\n", total
}
