/* The one-shot server in C: one connection, one request read, one answer written, the end. PORT [PEER KEY, for TCP_MD5SIG] */
#include <arpa/inet.h>
#include <err.h>
#include <linux/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 2 && argc != 4)
		errx(2, "usage: one-shot-server PORT [PEER KEY]");
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (argc == 4) {
		struct tcp_md5sig signature = { .tcpm_keylen = strlen(argv[3]) };
		struct sockaddr_in *peer = (struct sockaddr_in *)&signature.tcpm_addr;
		peer->sin_family = AF_INET;
		inet_aton(argv[2], &peer->sin_addr);
		memcpy(signature.tcpm_key, argv[3], signature.tcpm_keylen);
		if (setsockopt(listener, IPPROTO_TCP, TCP_MD5SIG, &signature, sizeof signature) < 0)
			err(1, "TCP_MD5SIG");
	}
	if (bind(listener, (struct sockaddr *)&name, sizeof name) < 0 || listen(listener, 5) < 0)
		err(1, "bind, listen");
	puts("listening");
	fflush(stdout);
	struct sockaddr_in peer;
	socklen_t length = sizeof peer;
	int connection = accept(listener, (struct sockaddr *)&peer, &length);
	if (connection < 0)
		err(1, "accept");
	char request[512];
	ssize_t n = read(connection, request, sizeof request);
	if (n < 0)
		err(1, "read");
	printf("accepted %s, read %zd bytes: %.*s\n", inet_ntoa(peer.sin_addr), n, (int)n, request);
	const char *answer = "one answer\n";
	if (write(connection, answer, strlen(answer)) < 0)
		err(1, "write");
	close(connection);
	close(listener);
	return 0;
}
