/*
 * For LD_PRELOAD: sends the process END_SIGNAL when it is about to make the END_COUNTth call of
 * END_CALL for one of END_FILES, names between slashes. That takes no time, while strace would stop
 * the process at each of its system calls.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void about_to(const char *call, const char *path) {
  static int count;
  char name[256];
  const char *slash = strrchr(path, '/');
  snprintf(name, sizeof name, "/%s/", slash ? slash + 1 : path);
  if (strcmp(call, getenv("END_CALL")) || !strstr(getenv("END_FILES"), name)) return;
  if (__atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST) != atoi(getenv("END_COUNT"))) return;
  kill(getpid(), atoi(getenv("END_SIGNAL")));
}

static void about_to_fd(const char *call, int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  path[length < 0 ? 0 : length] = 0;
  about_to(call, path);
}

/* The function that this one stands in front of. */
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *bytes, size_t size) {
  about_to_fd("write", fd);
  return NEXT(write)(fd, bytes, size);
}

int ftruncate64(int fd, off64_t size) {
  about_to_fd("ftruncate", fd);
  return NEXT(ftruncate64)(fd, size);
}

int rename(const char *from, const char *to) {
  about_to("rename", from);
  return NEXT(rename)(from, to);
}

int unlink(const char *path) {
  about_to("unlink", path);
  return NEXT(unlink)(path);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
  about_to("linkat", from);
  return NEXT(linkat)(from_dir, from, to_dir, to, flags);
}
