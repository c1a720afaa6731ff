# Which launch a kernel is, from its mangled name. entry<Launch, N, Threads, SharedBytes> is
# _ZN8formwork3gpu5entryINS0_6detail11rows_launchI...ELi4ELi128ELl0EEEv..., with or without a namespace between; another kernel
# of the library _ZN8formwork3gpu6detail5probeI...
function launch_of(name) {
  if (!(sub(/.*5entryI/, "", name) || sub(/.*_ZN8formwork3gpu/, "", name))) return "?"
  sub(/^N?S[0-9A-Z]*_/, "", name); sub(/^6detail/, "", name)
  return match(name, /^[0-9]+/) ? substr(name, RLENGTH + 1, substr(name, 1, RLENGTH) + 0) : "?"
}
# The first numbers that it is made with, the extents of its domain: 4096 x 768.
function extents_of(name) {
  if (!match(name, /[IJ](Ll[0-9]+E)+/)) return ""
  name = substr(name, RSTART + 3, RLENGTH - 4)
  gsub(/ELl/, " x ", name)
  return name
}
