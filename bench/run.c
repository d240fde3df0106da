// Runs a command and prints what it took: `wall cpu memory`, in seconds,
// seconds (user and system, all threads) and bytes (most resident at once).
//
//   run COMMAND...          until it ends; its output is dropped
//   run -u TEXT COMMAND...  until it has said TEXT; then it is killed
//
// A fork's memory counts for the child until it execs, so this program must
// be smaller than any it measures: that is why it is not a script.
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT = 120 }; // seconds: what takes longer has failed

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static double seconds(struct timeval t) { return t.tv_sec + t.tv_usec / 1e6; }

static void late(int number) {
  (void)number;
  static const char text[] = "no end within 120 s\n";
  (void)!write(2, text, sizeof text - 1);
  _exit(1); // and the child with it: PR_SET_PDEATHSIG
}

// Reads what the child says until that has `text` in it.
static int hears(int fd, const char *text) {
  static char said[1 << 16];
  size_t length = 0;
  for (ssize_t n; (n = read(fd, said + length, sizeof said - 1 - length)) > 0;) {
    length += n;
    if (memmem(said, length, text, strlen(text))) return 1;
  }
  fprintf(stderr, "it never said %s: %s\n", text, said);
  return 0;
}

int main(int argc, char **argv) {
  const char *until = argc > 2 && !strcmp(argv[1], "-u") ? argv[2] : NULL;
  char **command = argv + (until ? 3 : 1);
  if (!*command) return 2;
  int ends[2];
  if (pipe(ends)) return 1;
  signal(SIGALRM, late);
  alarm(LIMIT);
  double start = now();
  pid_t child = fork();
  if (child == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(until ? ends[1] : open("/dev/null", O_WRONLY), 1);
    if (until) dup2(1, 2);
    close(ends[0]);
    close(ends[1]);
    execvp(command[0], command);
    perror(command[0]);
    _exit(127);
  }
  close(ends[1]);
  int heard = until ? hears(ends[0], until) : 0;
  double wall = now() - start;
  if (until) kill(child, SIGKILL);
  int status;
  struct rusage used;
  if (wait4(child, &status, 0, &used) != child) return 1;
  if (!until) wall = now() - start;
  printf("%.6f %.6f %ld\n", wall, seconds(used.ru_utime) + seconds(used.ru_stime),
         used.ru_maxrss * 1024);
  if (until) return !heard;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
