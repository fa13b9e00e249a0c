/*
 * The kernel's end of bench/paths, one a namespace. Reads orders, one a line, and answers each with a line:
 * `send ADDRESS PORT CONGESTION SECONDS` writes for so long, resets and says `sent`;
 * `receive PORT SECONDS` says `listening`, accepts one connection and says how many bytes came within so long, or -1.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* How long a connection may take to come. */
#define PATIENCE 15000

static char buffer[1 << 16];

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void close_at_once(int fd)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	close(fd);
}

static void send_for(const char *address, int port, const char *congestion, double seconds)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct timeval limit = { .tv_usec = 10000 };
	inet_pton(AF_INET, address, &to.sin_addr);
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, strlen(congestion)) < 0)
		err(1, "%s", congestion);
	if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) {
		double end = now() + seconds;
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
		while (now() < end)
			send(fd, buffer, sizeof buffer, MSG_NOSIGNAL);
	}
	close_at_once(fd);
	puts("sent");
}

static long long read_for(int fd, double seconds)
{
	double end = now() + seconds;
	long long total = 0;
	for (;;) {
		struct pollfd readable = { .fd = fd, .events = POLLIN };
		double left = end - now();
		if (left <= 0 || poll(&readable, 1, left * 1000 + 1) <= 0)
			return total;
		ssize_t n = read(fd, buffer, sizeof buffer);
		if (n <= 0)
			return total;
		if (now() <= end)
			total += n;
	}
}

static void receive(int port, double seconds)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	if (bind(listener, (struct sockaddr *)&name, sizeof name) < 0 || listen(listener, 1) < 0)
		err(1, "listen");
	puts("listening");
	struct pollfd acceptable = { .fd = listener, .events = POLLIN };
	long long total = -1;
	if (poll(&acceptable, 1, PATIENCE) > 0) {
		int fd = accept(listener, NULL, NULL);
		total = read_for(fd, seconds);
		close_at_once(fd);
	}
	close(listener);
	printf("%lld\n", total);
}

int main(void)
{
	char line[200], address[100], congestion[20];
	int port;
	double seconds;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof line, stdin)) {
		if (sscanf(line, "send %99s %d %19s %lf", address, &port, congestion, &seconds) == 4)
			send_for(address, port, congestion, seconds);
		else if (sscanf(line, "receive %d %lf", &port, &seconds) == 2)
			receive(port, seconds);
		else
			errx(2, "no such order: %s", line);
	}
	return 0;
}
