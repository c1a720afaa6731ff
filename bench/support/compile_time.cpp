// compile_time <include folder> <programs folder> <compiler> <flags>... [--cuda <nvcc> <flags>...]: seconds and peak
// memory of the compiler, for each public header alone and for each program of the folder (with nvcc those that end
// in .cu), as tables in markdown, each followed by what a deeper model costs in comparison. Every figure is the median
// of three runs; programs take turns, so that what else the machine does falls on all of them.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace fs = std::filesystem;

struct cost {
  double seconds, mebibytes;
};

// Runs the command; memory is that of its largest process, as the kernel accounts it.
cost measure(const std::vector<std::string>& command) {
  std::vector<char*> arguments;
  for (const auto& a : command) arguments.push_back(const_cast<char*>(a.c_str()));
  arguments.push_back(nullptr);

  const auto start = std::chrono::steady_clock::now();
  const pid_t child = fork();
  if (child == 0) {
    execvp(arguments[0], arguments.data());
    std::perror(arguments[0]);
    _exit(127);
  }
  int status = 0;
  rusage usage{};
  if (child < 0 || wait4(child, &status, 0, &usage) < 0) {
    std::perror("compile_time");
    std::exit(1);
  }
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    for (const auto& a : command) std::cerr << a << ' ';
    std::cerr << "\nfailed; its figure would mean nothing\n";
    std::exit(1);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return {elapsed.count(), static_cast<double>(usage.ru_maxrss) / 1024};
}

cost print_row(const std::string& name, std::vector<cost> runs) {
  std::sort(runs.begin(), runs.end(), [](cost a, cost b) { return a.seconds < b.seconds; });
  const cost median = runs[runs.size() / 2];
  std::printf("| %s | %.2f | %.0f |\n", name.c_str(), median.seconds, median.mebibytes);
  std::fflush(stdout);
  return median;
}

// Of the programs <name>_<layers>.cpp: the time of each one over that of the one with the fewest layers.
void print_ratios(const std::vector<fs::path>& programs, const std::vector<cost>& medians) {
  std::map<std::string, std::map<int, double>> models;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    const std::string stem = programs[i].stem();
    const auto digits = stem.find_last_not_of("0123456789") + 1;
    if (digits < stem.size()) models[stem.substr(0, digits)][std::stoi(stem.substr(digits))] = medians[i].seconds;
  }
  for (const auto& [name, depths] : models)
    for (const auto& [layers, seconds] : depths)
      if (layers != depths.begin()->first)
        std::printf("\n%s%d / %s%d: %.2f", name.c_str(), layers, name.c_str(), depths.begin()->first,
                    seconds / depths.begin()->second);
  std::printf("\n");
}

std::vector<fs::path> files_below(const fs::path& folder, const std::string& extension) {
  std::vector<fs::path> files;
  if (!fs::exists(folder)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    if (entry.path().extension() == extension) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

using command_line = std::vector<std::string>;

void print_heading(const command_line& compile) {
  std::printf("\n`");
  for (const auto& a : compile) std::printf("%s ", a.c_str());
  std::printf("-c`\n\n| file | s | peak MiB |\n|---|---:|---:|\n");
}

// Each public header alone; those of the CUDA backend are nvcc's.
void measure_headers(const fs::path& include, const command_line& compile) {
  auto scratch = (fs::temp_directory_path() / "formwork_XXXXXX").string();
  if (!mkdtemp(scratch.data())) {
    std::perror(scratch.c_str());
    std::exit(1);
  }
  const auto source = fs::path(scratch) / "header.cpp";
  auto command = compile;
  command.push_back(source);
  auto row = [&](const std::string& name, const std::string& text) {
    std::ofstream(source) << text;
    print_row(name, {measure(command), measure(command), measure(command)});
  };
  row("(empty)", "");
  for (const auto& header : files_below(include, ".hpp")) {
    if (header.generic_string().find("/backend/cuda/") != std::string::npos) continue;
    const auto name = header.lexically_relative(include).generic_string();
    row(name, "#include <" + name + ">\n");
  }
  fs::remove_all(scratch);
}

void measure_programs(const fs::path& programs, const std::string& extension, const command_line& compile) {
  const auto sources = files_below(programs, extension);
  std::vector<std::vector<cost>> runs(sources.size());
  for (int round = 0; round < 3; ++round)
    for (std::size_t i = 0; i < sources.size(); ++i) {
      auto command = compile;
      command.push_back(sources[i]);
      runs[i].push_back(measure(command));
    }
  std::vector<cost> medians;
  for (std::size_t i = 0; i < sources.size(); ++i)
    medians.push_back(print_row(sources[i].lexically_relative(programs.parent_path()).generic_string(), runs[i]));
  print_ratios(sources, medians);
}

int main(int count, char** arguments) {
  if (count < 4) {
    std::cerr << "usage: compile_time <include folder> <programs folder> <compiler> <flags>... [--cuda <nvcc> <flags>...]\n";
    return 2;
  }
  const fs::path include = arguments[1], programs = arguments[2];
  const auto end = arguments + count, cuda = std::find(arguments + 3, end, std::string("--cuda"));
  const auto compiling = [&](command_line command, std::initializer_list<std::string> options) {
    print_heading(command);
    command.insert(command.end(), options);
    command.insert(command.end(), {"-I", include, "-c", "-o", "/dev/null"});
    return command;
  };
  const auto host = compiling({arguments + 3, cuda}, {"-x", "c++"});
  measure_headers(include, host);
  measure_programs(programs, ".cpp", host);
  if (cuda != end) measure_programs(programs, ".cu", compiling({cuda + 1, end}, {}));
}
