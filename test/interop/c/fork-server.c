/* A process for each connection in C: counts its lines; ends after CONNECTIONS, all children reaped. PORT CONNECTIONS */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t reaped;

static void reap(int signal __attribute__((unused)))
{
	int saved = errno;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		reaped++;
	errno = saved;
}

static void serve(int fd)
{
	char buffer[256];
	int lines = 0;
	ssize_t n;
	while ((n = read(fd, buffer, sizeof buffer)) > 0)
		for (ssize_t i = 0; i < n; i++)
			lines += buffer[i] == '\n';
	if (n < 0)
		err(1, "read");
	printf("child read %d lines\n", lines);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: fork-server PORT CONNECTIONS");
	/* Without SA_RESTART: accept is interrupted by children that end. */
	struct sigaction action = { .sa_handler = reap };
	sigaction(SIGCHLD, &action, NULL);
	int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1, wanted = atoi(argv[2]), interrupted = 0;
	struct sockaddr_in name = { .sin_family = AF_INET, .sin_port = htons(atoi(argv[1])) };
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(listener, (struct sockaddr *)&name, sizeof name) < 0 || listen(listener, 128) < 0)
		err(1, "bind, listen");
	puts("listening");
	fflush(stdout);
	for (int served = 0; served < wanted;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0 && errno == EINTR) {
			interrupted++;
			continue;
		}
		if (fd < 0)
			err(1, "accept");
		served++;
		switch (fork()) {
		case -1:
			err(1, "fork");
		case 0:
			close(listener);
			serve(fd);
			_exit(0);
		}
		/* The child has it, too: the connection lives until both have closed it. */
		close(fd);
	}
	sigset_t blocked, before;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &before);
	while (reaped < wanted)
		sigsuspend(&before);
	printf("%d served, %d children reaped\n", wanted, (int)reaped);
	return 0;
}
