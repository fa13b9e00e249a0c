/*
 * The kernel's end of bench/paths: `bulk send ADDRESS PORT CONGESTION SECONDS` writes for so long and resets;
 * `bulk receive PORT` reads one connection to its end and prints how many bytes came.
 */
#include <arpa/inet.h>
#include <err.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static char buffer[1 << 16];

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static int send_for(const char *address, int port, const char *congestion, double seconds)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	struct timeval limit = { .tv_usec = 10000 };
	inet_pton(AF_INET, address, &to.sin_addr);
	if (setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, congestion, strlen(congestion)) < 0)
		err(1, "%s", congestion);
	double end = now() + seconds;
	if (connect(fd, (struct sockaddr *)&to, sizeof to) < 0)
		err(1, "connect");
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
	while (now() < end)
		send(fd, buffer, sizeof buffer, MSG_NOSIGNAL);
	close(fd);
	return 0;
}

static int receive(int port)
{
	int listener = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(port) };
	if (bind(listener, (struct sockaddr *)&name, sizeof name) < 0 || listen(listener, 1) < 0)
		err(1, "listen");
	puts("listening");
	fflush(stdout);
	int fd = accept(listener, NULL, NULL);
	long long total = 0;
	for (;;) {
		ssize_t n = read(fd, buffer, sizeof buffer);
		if (n <= 0)
			break;
		total += n;
	}
	printf("%lld\n", total);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && strcmp(argv[1], "send") == 0)
		return send_for(argv[2], atoi(argv[3]), argv[4], atof(argv[5]));
	if (argc == 3 && strcmp(argv[1], "receive") == 0)
		return receive(atoi(argv[2]));
	errx(2, "usage: bulk send ADDRESS PORT CONGESTION SECONDS | bulk receive PORT");
}
