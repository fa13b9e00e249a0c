/* PR2 in C: the same lines on the machine this is compiled on. */
#include <arpa/inet.h>
#include <endian.h>
#include <inttypes.h>
#include <stdio.h>

static void wire(const void *value, int size)
{
    const unsigned char *byte = value;

    for (int i = 0; i < size; i++)
        printf(" %02x", byte[i]);
}

int main(void)
{
    uint16_t ports[] = {80, 7777, 0x0102, 0xffff};
    uint32_t addresses[] = {0x7f000001, 0xc0000201, 0x01020304, 0xffffffff};
    uint64_t both = 0x0102030405060708, big = htobe64(both);

    for (int i = 0; i < 4; i++) {
        uint16_t net = htons(ports[i]);
        printf("htons(0x%04x) = 0x%04x, on the wire", ports[i], net);
        wire(&net, sizeof net);
        printf(", ntohs gives %u\n", ntohs(net));
    }
    for (int i = 0; i < 4; i++) {
        uint32_t net = htonl(addresses[i]);
        printf("htonl(0x%08x) = 0x%08x, on the wire", addresses[i], net);
        wire(&net, sizeof net);
        printf(", ntohl gives %u\n", ntohl(net));
    }
    printf("htobe64(0x%016" PRIx64 ") = 0x%016" PRIx64 ", on the wire", both, big);
    wire(&big, sizeof big);
    printf(", be64toh gives %" PRIu64 "\n", be64toh(big));
    printf("forgotten htons: port 7777 goes out as %u\n", ntohs(7777));
    return 0;
}
