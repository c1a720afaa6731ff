# kernel_seconds.awk, behind kernel_name.awk: what `ptxas -v` printed, and the lines of `nvcc --fdevice-time-trace` of cicc's work on
# functions, become a table of kernels, the longest first. cicc's part is its optimizer and its code generator, which know
# functions; what a function takes before it is inlined has a line of its own. The front end knows no kernels. Status 1 where a
# kernel lacks either part.
/Compiling entry function/ { split($0, part, "\047"); mangled = part[2]; names[++kernels] = mangled; ptxas[mangled] = "" }
/Compile time = / { sub(/.*= /, ""); sub(/ .*/, ""); ptxas[mangled] = $0 / 1e3 }
/"OptFunction"$/ {
  split($0, part, "\"")  # {"args":{"detail":"NAME"},"dur":MICROSECONDS,
  sub(/:/, "", part[9])
  if (part[6] in ptxas) cicc[part[6]] += part[9] / 1e6
  else others += part[9] / 1e6
}
END {
  bad = kernels == 0
  for (k = 1; k <= kernels; ++k) {
    n = names[k]
    if (ptxas[n] == "" || !(n in cicc)) { print "kernel_seconds: no seconds of " launch_of(n) | "cat >&2"; bad = 1 }
    all_cicc += cicc[n]; all_ptxas += ptxas[n]
  }
  printf "| kernel, of %d | extents | cicc, s | ptxas, s | together |\n|---|---|---:|---:|---:|\n", kernels
  fflush()
  for (k = 1; k <= kernels; ++k) {
    n = names[k]
    printf "| %s | %s | %.3f | %.3f | %.3f |\n", launch_of(n), extents_of(n), cicc[n], ptxas[n], cicc[n] + ptxas[n] | "sort -t \"|\" -k 6,6nr"
  }
  close("sort -t \"|\" -k 6,6nr")
  printf "| functions, before they are inlined | | %.3f | | %.3f |\n", others, others
  printf "| together | | %.3f | %.3f | %.3f |\n", all_cicc + others, all_ptxas, all_cicc + others + all_ptxas
  exit bad
}
