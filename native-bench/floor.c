/*
 * The floor under every server: what the kernel alone asks for writing one WebSocket frame to each of N sockets.
 *
 *   cc -O2 -o floor native-bench/floor.c && ./floor -n 1000 -r 100 -t 5
 *
 * -c and -d are the cores of sender and receiver; without them any.
 *
 * Two processes on loopback TCP. The sender has accepted N sockets and, R times a second, sends the same frame to each
 * of them, one send(2) per socket and nothing else. The receiver reads and throws away. The figure is the sender's
 * CPU time per frame delivered: a server in any language pays this and then its own work on top.
 *
 * On loopback send(2) also runs the receiver's TCP input path and wakes it, so the floor is higher than with a network
 * card in between; it is the right floor for a server measured on loopback, and for no other.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ANY_CORE = -1, MAX_CORES = 1024 };
enum { MAX_SOCKETS = 19900, MAX_FRAME_BYTES = 65536, MAX_JOINED = 64, SOCKETS_PER_ADDRESS = 10000 };

static void die(const char *what) {
  perror(what);
  exit(1);
}

static double now_seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double own_cpu_seconds(double *system) {
  struct rusage u;
  getrusage(RUSAGE_SELF, &u);
  *system = (double)u.ru_stime.tv_sec + (double)u.ru_stime.tv_usec / 1e6;
  return *system + (double)u.ru_utime.tv_sec + (double)u.ru_utime.tv_usec / 1e6;
}

static void keep_to(int core) {
  if (core == ANY_CORE) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET((size_t)core, &set);
  if (sched_setaffinity(0, sizeof set, &set) < 0) die("sched_setaffinity");
}

/* An unmasked text frame of exactly `size` bytes, header included (RFC 6455, 5.2). */
static void build_frame(uint8_t *frame, int size) {
  memset(frame, 'x', (size_t)size);
  frame[0] = 0x81;
  if (size - 2 < 126) {
    frame[1] = (uint8_t)(size - 2);
  } else {
    frame[1] = 126;
    frame[2] = (uint8_t)((size - 4) >> 8);
    frame[3] = (uint8_t)(size - 4);
  }
}

/* The other process: connects N sockets, from several source addresses so that ports do not run out, and drains them. */
static void receive(int port, int sockets, int core) {
  keep_to(core);
  static char buffer[1 << 18];
  int poll = epoll_create1(0);
  if (poll < 0) die("epoll_create1");
  for (int i = 0; i < sockets; i++) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) die("socket");
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(i / SOCKETS_PER_ADDRESS))};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) die("bind");
    if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0) die("connect");
    struct epoll_event e = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &e) < 0) die("epoll_ctl");
  }
  struct epoll_event ready[256];
  for (int open = sockets; open > 0;) {
    int n = epoll_wait(poll, ready, 256, -1);
    for (int i = 0; i < n; i++) {
      if (read(ready[i].data.fd, buffer, sizeof buffer) > 0) continue;
      close(ready[i].data.fd);
      open--;
    }
  }
  exit(0);
}

static int argument(int argc, char **argv, const char *flag, int fallback, int min, int max) {
  for (int i = 1; i + 1 < argc; i++) {
    if (strcmp(argv[i], flag) != 0) continue;
    int value = atoi(argv[i + 1]);
    if (value >= min && value <= max) return value;
    fprintf(stderr, "%s must be from %d to %d\n", flag, min, max);
    exit(2);
  }
  return fallback;
}

int main(int argc, char **argv) {
  int sockets = argument(argc, argv, "-n", 1000, 1, MAX_SOCKETS);
  int rate = argument(argc, argv, "-r", 100, 1, 100000);
  int seconds = argument(argc, argv, "-t", 5, 1, 3600);
  int size = argument(argc, argv, "-s", 200, 8, MAX_FRAME_BYTES / MAX_JOINED);
  int joined = argument(argc, argv, "-j", 1, 1, MAX_JOINED);
  int core = argument(argc, argv, "-c", ANY_CORE, 0, MAX_CORES - 1);
  int receiver_core = argument(argc, argv, "-d", ANY_CORE, 0, MAX_CORES - 1);

  static uint8_t frames[MAX_FRAME_BYTES];
  for (int i = 0; i < joined; i++) build_frame(frames + i * size, size);
  size_t bytes = (size_t)size * (size_t)joined;

  signal(SIGPIPE, SIG_IGN);
  int listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 4096) < 0) die("listen");
  getsockname(listener, (struct sockaddr *)&address, &length);
  pid_t receiver = fork();
  if (receiver < 0) die("fork");
  if (receiver == 0) {
    close(listener);
    receive(ntohs(address.sin_port), sockets, receiver_core);
  }
  keep_to(core);

  int *fds = calloc((size_t)sockets, sizeof *fds);
  for (int i = 0; i < sockets; i++) {
    fds[i] = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    if (fds[i] < 0) die("accept");
    int on = 1;
    setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }

  long sends = 0, refused = 0;
  double system_before, system_after, late_max = 0;
  double cpu_before = own_cpu_seconds(&system_before), start = now_seconds();
  long rounds = (long)rate * seconds / joined;
  for (long round = 0; round < rounds; round++) {
    double due = start + (double)round * joined / rate, wait = due - now_seconds();
    if (wait > 0) {
      struct timespec pause = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (double)(time_t)wait) * 1e9)};
      nanosleep(&pause, NULL);
    } else if (-wait > late_max) {
      late_max = -wait;
    }
    for (int i = 0; i < sockets; i++) {
      ssize_t sent = send(fds[i], frames, bytes, 0);
      if (sent == (ssize_t)bytes) {
        sends++;
      } else if (sent >= 0 || errno == EAGAIN || errno == EWOULDBLOCK) {
        refused++; /* The receiver is behind: the run says nothing about the cost of a delivery. */
      } else {
        die("send");
      }
    }
  }
  double elapsed = now_seconds() - start, cpu = own_cpu_seconds(&system_after) - cpu_before;
  for (int i = 0; i < sockets; i++) close(fds[i]);
  waitpid(receiver, NULL, 0);

  double deliveries = (double)sends * joined;
  printf("{\"bench\":\"floor\",\"sockets\":%d,\"rate\":%d,\"seconds\":%.2f,\"frame_bytes\":%d,\"joined\":%d,\"deliveries\":%.0f,"
         "\"refused_sends\":%ld,\"cpu_us_per_delivery\":%.3f,\"system_share\":%.2f,\"cpu_share\":%.2f,\"late_ms_max\":%.1f,\"void\":%s}\n",
         sockets, rate, elapsed, size, joined, deliveries, refused, cpu * 1e6 / deliveries, (system_after - system_before) / cpu,
         cpu / elapsed, late_max * 1e3, refused ? "true" : "false");
  return refused ? 1 : 0;
}
