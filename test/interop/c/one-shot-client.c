/* The one-shot client in C: connects, writes one request, reads to the end of the answer. ADDRESS PORT REQUEST */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: one-shot-client ADDRESS PORT REQUEST");
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
	if (inet_aton(argv[1], &server.sin_addr) == 0)
		errx(2, "not an address: %s", argv[1]);
	if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
		err(1, "connect");
	if (write(fd, argv[3], strlen(argv[3])) < 0)
		err(1, "write");
	char buffer[4096];
	ssize_t n, total = 0;
	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		total += n;
	if (n < 0)
		err(1, "read");
	printf("read %zd bytes and the end of the stream\n", total);
	return 0;
}
