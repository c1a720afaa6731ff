// The highest resident memory of a piece of work, measured by the system in a process of its own.
#pragma once

#include "../backend/cpu/threads.hpp"

#if defined(__unix__)
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <system_error>

namespace formwork {

namespace detail {
template <class Work> long long highest_resident_bytes(Work const& work) {
  std::fflush(nullptr);  // the child's copies of unwritten text are never written
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "resident_bytes: fork");
  if (child == 0) {
    try {
      cpu::parallel_threads(cpu::thread_count(), [](int, int) {});  // the threads' stacks are part of every process
      work();
    } catch (std::exception const& e) {
      std::fprintf(stderr, "resident_bytes: %s\n", e.what());
      _exit(1);
    }
    _exit(0);
  }
  int status = 1;
  rusage usage{};
  if (wait4(child, &status, 0, &usage) < 0) throw std::system_error(errno, std::generic_category(), "resident_bytes: wait4");
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) throw std::runtime_error("resident_bytes: the process ended before its work did");
  return 1024LL * usage.ru_maxrss;
}
}  // namespace detail

// The most bytes that were resident while work() ran, above those of the same process without it. The calling process
// must not have run a kernel on several threads yet: its threads do not exist in the child. Throws std::runtime_error
// where the work throws or its process is ended.
template <class Work> long long resident_bytes(Work const& work) {
  return detail::highest_resident_bytes(work) - detail::highest_resident_bytes([] {});
}

}  // namespace formwork
#endif
