# resources.awk, behind kernel_name.awk, with -v budgets=FILE -v release=X.Y: what `ptxas -v` printed becomes a table; status 1
# where a kernel spills, has local memory, takes more registers than its budget, has none, or does not fit a multiprocessor.
# FILE has a launch's name and a number on each line, and the release of nvcc whose registers these are (`release 13.0`). Each
# release gives registers out in its own way: of another one more registers are only noted, and so are spills of at most as many
# bytes, stored and loaded, as FILE says (`spilled_elsewhere 64`).
BEGIN {
  while ((getline line < budgets) > 0) if (line !~ /^#/ && split(line, part, " ") == 2) most[part[1]] = part[2]
  elsewhere = release != "" && release != most["release"]
  printf "| kernel | architecture | threads | registers | shared bytes | blocks | occupancy | stack bytes | ptxas ms |\n|---|---|---|---|---|---|---|---|---|\n"
  # Of a multiprocessor: KiB of shared memory (one goes to the system for each block), warps, blocks (CUDA C++ Programming
  # Guide 13.0, "Technical Specifications per Compute Capability").
  split("80 164 64 32 86 100 48 16 87 164 48 16 89 100 48 24 90 228 64 32 100 228 64 32 120 100 48 24", limit, " ")
  for (k = 1; k in limit; k += 4) { kib[limit[k]] = limit[k + 1]; warps[limit[k]] = limit[k + 2]; slots[limit[k]] = limit[k + 3] }
}
function complain(text) {
  complaints[++bad] = "resources: " text
}
# What holds for the release of the budgets alone.
function complain_here(text) {
  if (elsewhere) notes[++noted] = "resources: " text " by nvcc " release ", whose registers are not those of the budgets, nvcc " most["release"] "'s"
  else complain(text)
}
function least(a, b) { return a < b ? a : b }
# Blocks of a kernel that one multiprocessor holds: each of its four parts gives 64 pieces of 256 registers to warps.
function resident(of,    block_warps, n) {
  block_warps = int((threads + 31) / 32)
  n = least(slots[of], int(warps[of] / block_warps))
  n = least(n, int(4 * int(64 / int((registers + 7) / 8)) / block_warps))
  return least(n, int(kib[of] * 1024 / (shared + 1024)))
}
# One kernel's lines have been read.
function finish(    blocks, part) {
  if (registers == "") return
  blocks = part = "?"
  if (threads != "" && arch in kib) {
    blocks = resident(arch)
    part = sprintf("%.2f", blocks * int((threads + 31) / 32) / warps[arch])
    if (!blocks) complain(kernel " does not fit a multiprocessor of " arch ": " threads " threads of " registers " registers, " shared " bytes of shared memory")
  }
  printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", kernel, arch, threads, registers, shared, blocks, part, stack, milliseconds
  ++kernels
  if (registers + 0 > highest[kernel] + 0) highest[kernel] = registers + 0
  if (kernel in most && registers + 0 > most[kernel]) complain_here(kernel " takes " registers " registers on " arch ", its budget is " most[kernel])
  few = elsewhere && spills > 0 && spills <= most["spilled_elsewhere"]
  if (few) complain_here(kernel " spills " spills " bytes on " arch)
  else if (spills > 0) complain(kernel " spills " spills " bytes on " arch)
  if (stack > (few ? spills : 0)) complain(kernel " has " stack " bytes of local memory on " arch)
  registers = ""
}
/Compiling entry function/ {
  finish()
  arch = $0
  sub(/.*for .sm_/, "", arch); sub(/[^0-9a-z].*/, "", arch)
  kernel = launch_of($0)
  stack = spills = shared = 0
  threads = ""
  if (match($0, /ELi[0-9]+ELl[0-9]+EEEv/)) {
    split(substr($0, RSTART + 3, RLENGTH), number, "EL[il]|E")
    threads = number[1]
    shared = number[2] + 0
  }
  registers = milliseconds = ""
}
/bytes stack frame/ { stack = $1; spills = $5 + $9 }
/Used [0-9]+ registers/ {
  registers = $0
  sub(/.*Used /, "", registers); sub(/ .*/, "", registers)
  if (match($0, /[0-9]+ bytes smem/)) { static_bytes = substr($0, RSTART, RLENGTH); shared += static_bytes }
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
  for (i = 1; i <= noted; ++i) print notes[i]
  for (i = 1; i <= bad; ++i) print complaints[i]
  exit bad > 0
}
