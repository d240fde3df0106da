// Serves a chunked body whose chunk size the client chooses, which no common
// server offers for a file: GET /CHUNK/TIMES is FILE, TIMES times over, in
// chunks of CHUNK bytes. The framed bytes are made once and sent by sendfile,
// as nginx sends a file, so that the clients are the limit and not this.
//
//   chunks FILE
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

static char file[64 << 20], request[4096];
static size_t length;

// A file in memory with the frames of the whole of `file`.
static int frame(size_t chunk) {
  int fd = memfd_create("frames", 0);
  FILE *frames = fdopen(fd, "w");
  for (size_t at = 0; at < length; at += chunk) {
    size_t n = length - at < chunk ? length - at : chunk;
    fprintf(frames, "%zx\r\n", n);
    fwrite(file + at, 1, n, frames);
    fputs("\r\n", frames);
  }
  fflush(frames);
  return fd;
}

static void answer(int fd, int frames, size_t times) {
  const char *head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
  send(fd, head, strlen(head), MSG_MORE);
  off_t end = lseek(frames, 0, SEEK_END);
  for (ssize_t n = 1; times-- && n > 0;)
    for (off_t at = 0; at < end && (n = sendfile(fd, frames, &at, end - at)) > 0;) {}
  send(fd, "0\r\n\r\n", 5, 0);
  shutdown(fd, SHUT_WR);
  while (recv(fd, request, sizeof request, 0) > 0) {}
}

int main(int argc, char **argv) {
  FILE *source = argc > 1 ? fopen(argv[1], "rb") : NULL;
  if (!source) return 2;
  length = fread(file, 1, sizeof file, source);
  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, size) || listen(listener, 16)) return 1;
  getsockname(listener, (struct sockaddr *)&address, &size);
  printf("127.0.0.1:%d\n", ntohs(address.sin_port));
  fflush(stdout);
  for (int frames = -1, fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
    static size_t framed;
    size_t chunk, times, got = 0;
    for (ssize_t n; got < sizeof request - 1; got += n) {
      if ((n = recv(fd, request + got, sizeof request - 1 - got, 0)) <= 0) break;
      if (memmem(request, got + n, "\r\n\r\n", 4)) n = sizeof request - 1 - got;
    }
    if (sscanf(request, "GET /%zu/%zu", &chunk, &times) != 2 || !chunk) continue;
    if (framed != chunk) {
      if (framed) close(frames);
      frames = frame(framed = chunk);
    }
    answer(fd, frames, times);
  }
}
