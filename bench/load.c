// Loads a greeting server and checks every byte it sends.
//
//   load greet PORT CONNECTIONS SECONDS  each greets, waits for the reply, and again
//   load cycle PORT CONNECTIONS SECONDS  each connects, greets, exits, and again
//   load idle PORT CONNECTIONS           holds them; each line on stdin greets once more
//   load drain PORT PATH                 reads an HTTP answer to its end, drops it
//
// The result is one line of JSON: times in microseconds, `least` the share of
// the mean that the least served connection got, `busy` how much of a core
// this program used: near 1, it was the limit. Exit 1 on a wrong byte.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { WELCOME, REPLY, END };

struct conn {
  int fd, state, got;   // got: bytes of what is expected now
  uint64_t since;       // when the greeting was sent, in ns
  unsigned count;       // greetings or cycles inside the window
  char name[20], reply[32];
};

static struct sockaddr_in address = {.sin_family = AF_INET};
static int poll_fd, cycling, ending;
static uint64_t window = UINT64_MAX; // when counting begins, in ns
static size_t welcomed, ended, samples, room;
static uint32_t *latency; // ns of each greeting inside the window

static void fail(const char *what) {
  fprintf(stderr, "load: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
  exit(1);
}

static uint64_t clock_ns(clockid_t id) {
  struct timespec t;
  clock_gettime(id, &t);
  return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static uint64_t now(void) { return clock_ns(CLOCK_MONOTONIC); }

static uint64_t cpu(void) { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

static void say(int fd, const char *text) {
  size_t length = strlen(text);
  if (send(fd, text, length, MSG_NOSIGNAL) != (ssize_t)length) fail("send");
}

static void greet(struct conn *c) {
  c->state = REPLY;
  c->got = 0;
  c->since = now();
  say(c->fd, c->name);
}

static void start(struct conn *c) {
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  if (c->fd < 0) fail("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
  c->state = WELCOME;
  c->got = 0;
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) && errno != EINPROGRESS)
    fail("connect");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
  if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event)) fail("epoll_ctl");
}

// One greeting has its reply: note how long it took.
static void replied(struct conn *c) {
  uint64_t end = now();
  if (end < window || ending) return;
  if (!cycling) c->count++;
  if (samples == room && !(latency = realloc(latency, (room = room * 2 + 4096) * sizeof *latency)))
    fail("realloc");
  uint64_t took = end - c->since;
  latency[samples++] = took < UINT32_MAX ? took : UINT32_MAX;
}

// Reads what came, which must be what is expected, and takes the next step.
static void ready(struct conn *c, int hold) {
  char bytes[64];
  ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) fail("recv");
  if (n == 0 && c->state == END) {
    close(c->fd);
    if (ending) ended++;
    else {
      if (now() >= window) c->count++;
      start(c);
    }
    return;
  }
  const char *expected = c->state == WELCOME ? "Welcome!" : c->state == REPLY ? c->reply : "";
  size_t left = strlen(expected) - c->got;
  if (n == 0 || (size_t)n > left || memcmp(bytes, expected + c->got, n)) {
    errno = 0;
    fail(n ? "wrong bytes" : "closed too early");
  }
  c->got += n;
  if ((size_t)n < left) return;
  if (c->state == WELCOME) {
    welcomed++;
    if (!hold) greet(c);
  } else {
    replied(c);
    if (!cycling && !ending) return greet(c);
    c->state = END;
    c->got = 0;
    say(c->fd, "exit");
  }
}

static void turn(int milliseconds, int hold) {
  struct epoll_event events[1024];
  int n = epoll_wait(poll_fd, events, 1024, milliseconds);
  for (int i = 0; i < n; i++) ready(events[i].data.ptr, hold);
}

static int by_size(const void *a, const void *b) {
  uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
  return (x > y) - (x < y);
}

static double percentile(double part) {
  return samples ? latency[(size_t)(part * (samples - 1))] / 1e3 : 0;
}

static void load(struct conn *conns, unsigned count, double seconds) {
  uint64_t begin = now(), second = 1000000000;
  for (unsigned i = 0; i < count; i++) start(&conns[i]);
  while (welcomed < count && now() - begin < 10 * second) turn(100, 1);
  for (unsigned i = 0; i < count; i++)
    if (conns[i].got == 8) greet(&conns[i]);
  window = now() + seconds / 4 * second; // a quarter more to warm up
  uint64_t end = window + seconds * second;
  while (now() < window) turn(1, 0);
  uint64_t used = cpu();
  while (now() < end) turn(100, 0);
  used = cpu() - used;
  ending = 1; // every connection gets its reply and says exit
  while (ended < count && now() < end + 5 * second) turn(100, 0);
  double total = 0, least = conns[0].count;
  unsigned served = 0;
  for (unsigned i = 0; i < count; i++) {
    total += conns[i].count;
    served += conns[i].count > 0;
    if (conns[i].count < least) least = conns[i].count;
  }
  qsort(latency, samples, sizeof *latency, by_size);
  printf("{\"rate\":%.0f,\"p50\":%.1f,\"p99\":%.1f,\"served\":%u,\"least\":%.4f,\"busy\":%.3f}\n",
         total / seconds, percentile(0.5), percentile(0.99), served,
         total ? least / (total / count) : 0, used / seconds / second);
}

static void expect(int fd, const char *text) {
  char bytes[64];
  size_t length = strlen(text);
  if (recv(fd, bytes, length, MSG_WAITALL) != (ssize_t)length) fail("recv");
  if (memcmp(bytes, text, length)) fail("wrong bytes");
}

static int dial(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
  return fd;
}

static void idle(struct conn *conns, unsigned count) {
  for (unsigned begun = 0; welcomed < count; turn(100, 1))
    while (begun < count && begun - welcomed < 256) start(&conns[begun++]);
  puts("ready");
  for (char line[16]; fflush(stdout), fgets(line, sizeof line, stdin);) {
    uint64_t begin = now();
    int fd = dial();
    expect(fd, "Welcome!");
    say(fd, "Sarah");
    expect(fd, "Hello, Sarah!");
    printf("%.1f\n", (now() - begin) / 1e3);
    close(fd);
  }
}

static void drain(const char *path) {
  static char bytes[1 << 20];
  int fd = dial();
  snprintf(bytes, sizeof bytes, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", path);
  say(fd, bytes);
  while (recv(fd, bytes, sizeof bytes, 0) > 0) {}
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  address.sin_port = htons(atoi(argv[2]));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  poll_fd = epoll_create1(0);
  unsigned count = atoi(argv[3]);
  struct conn *conns = calloc(count, sizeof *conns);
  for (unsigned i = 0; i < count; i++) {
    snprintf(conns[i].name, sizeof conns[i].name, "Michael%u", i);
    snprintf(conns[i].reply, sizeof conns[i].reply, "Hello, %s!", conns[i].name);
  }
  cycling = !strcmp(argv[1], "cycle");
  if (!strcmp(argv[1], "drain")) drain(argv[3]);
  else if (!strcmp(argv[1], "idle")) idle(conns, count);
  else load(conns, count, atof(argv[4]));
}
