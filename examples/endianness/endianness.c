/* PR1 in C: the same lines on the machine this is compiled on. */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>

static void show(const char *name, const void *value, int size)
{
    const unsigned char *byte = value;

    printf("%-18s in memory:", name);
    for (int i = 0; i < size; i++)
        printf(" %02x", byte[i]);
    putchar('\n');
}

int main(void)
{
    uint16_t half = 0x0102;
    uint32_t word = 0x01020304;
    uint64_t both = 0x0102030405060708;
    int first = *(unsigned char *)&half;

    show("0x0102", &half, sizeof half);
    show("0x01020304", &word, sizeof word);
    show("0x0102030405060708", &both, sizeof both);
    printf("the byte at the lowest address of 0x0102 is %d: %s-endian\n", first, first == 2 ? "little" : "big");
    printf("network order is big-endian: htons %s here\n", htons(1) == 1 ? "changes nothing" : "exchanges the bytes");
    return 0;
}
