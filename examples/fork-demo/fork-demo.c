/* The same in C, for comparison: cc -o fork-demo fork-demo.c && ./fork-demo. Here fork does copy the memory. */
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 3
#define ROUND_US 50000

static int counter = 5;

static void count(const char *who, int step) {
  for (int i = 0; i < ROUNDS; i++) {
    usleep(ROUND_US);
    counter += step;
    printf("%s %d (parent %d): counter = %d\n", who, getpid(), getppid(), counter);
  }
}

int main(void) {
  setlinebuf(stdout);
  printf("%d before fork: counter = %d\n", getpid(), counter);
  pid_t child = fork();
  if (child == 0) {
    count("child", 10);
    return counter;
  }
  printf("fork gave %d to the parent; the child runs on its own\n", child);
  count("parent", 1);
  int status;
  pid_t ended = wait(&status);
  printf("child %d ended with its counter at %d, the parent's is %d\n", ended, WEXITSTATUS(status), counter);
  return 0;
}
