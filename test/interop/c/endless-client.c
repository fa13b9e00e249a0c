/* The endless client of the fork servers in C, with an end: sends "data : i" COUNT times, 2 ms apart. ADDRESS PORT COUNT */
#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: endless-client ADDRESS PORT COUNT");
	int fd = socket(AF_INET, SOCK_STREAM, 0), count = atoi(argv[3]);
	struct sockaddr_in server = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[2])) };
	if (inet_aton(argv[1], &server.sin_addr) == 0)
		errx(2, "not an address: %s", argv[1]);
	if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0)
		err(1, "connect");
	for (int i = 0; i < count; i++) {
		char line[64];
		int length = snprintf(line, sizeof line, "data : %d\n", i);
		if (write(fd, line, length) != length)
			err(1, "write");
		usleep(2000);
	}
	close(fd);
	printf("%d lines\n", count);
	return 0;
}
