# resources.awk, with -v budgets=FILE: what `ptxas -v` printed becomes a table; status 1 where a kernel spills, has local
# memory, takes more registers than its budget, or has none. FILE has a launch's name and a number on each line.
BEGIN {
  while ((getline line < budgets) > 0) if (line !~ /^#/ && split(line, part, " ") == 2) most[part[1]] = part[2]
  printf "| kernel | architecture | registers | static shared bytes | stack bytes | ptxas ms |\n|---|---|---|---|---|---|\n"
}
function complain(text) {
  complaints[++bad] = "resources: " text
}
# One kernel's lines have been read.
function finish() {
  if (registers == "") return
  printf "| %s | %s | %s | %s | %s | %s |\n", kernel, arch, registers, shared, stack, milliseconds
  ++kernels
  if (registers + 0 > highest[kernel] + 0) highest[kernel] = registers + 0
  if (kernel in most && registers + 0 > most[kernel]) complain(kernel " takes " registers " registers on " arch ", its budget is " most[kernel])
  if (spills > 0) complain(kernel " spills " spills " bytes on " arch)
  if (stack > 0) complain(kernel " has " stack " bytes of local memory on " arch)
  registers = ""
}
# entry<Launch, N> is mangled as _ZN8formwork4cuda5entryINS0_6detail11rows_launchI..., with or without a namespace between;
# another kernel of the library as _ZN8formwork4cuda6detail5probeI...
/Compiling entry function/ {
  finish()
  arch = $0
  sub(/.*for .sm_/, "", arch); sub(/[^0-9a-z].*/, "", arch)
  name = $0
  kernel = "?"
  if (sub(/.*5entryI/, "", name) || sub(/.*_ZN8formwork4cuda/, "", name)) {
    sub(/^N?S[0-9A-Z]*_/, "", name); sub(/^6detail/, "", name)
    if (match(name, /^[0-9]+/)) kernel = substr(name, RLENGTH + 1, substr(name, 1, RLENGTH) + 0)
  }
  stack = spills = shared = 0
  registers = milliseconds = ""
}
/bytes stack frame/ { stack = $1; spills = $5 + $9 }
/Used [0-9]+ registers/ {
  registers = $0
  sub(/.*Used /, "", registers); sub(/ .*/, "", registers)
  if (match($0, /[0-9]+ bytes smem/)) { shared = substr($0, RSTART, RLENGTH); sub(/ .*/, "", shared) }
}
/Compile time = / { milliseconds = $0; sub(/.*= /, "", milliseconds); sub(/ .*/, "", milliseconds) }
END {
  finish()
  if (!kernels) complain("no kernel was found")
  printf "\n| kernel | most registers | budget |\n|---|---|---|\n"
  for (k in highest) {
    printf "| %s | %d | %s |\n", k, highest[k], k in most ? most[k] : "none" | "sort"
    if (!(k in most)) complain(k " has no budget in " budgets)
  }
  close("sort")
  for (i = 1; i <= bad; ++i) print complaints[i]
  exit bad > 0
}
