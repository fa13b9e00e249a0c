/* PR3 in C: the same lines on the machine this is compiled on. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#define COUNT(list) (int)(sizeof list / sizeof list[0])

static void bytes(const void *value, int size)
{
    const unsigned char *byte = value;

    for (int i = 0; i < size; i++)
        printf(" %02x", byte[i]);
    putchar('\n');
}

int main(void)
{
    const char *old_forms[] = {"192.0.2.1", "192.0.513", "192.513", "3221225985", "0xc0000201", "0300.0.02.01", "127.1", "192.0.2.256", "08.0.0.1"};
    const char *four[] = {"192.0.2.1", "192.0.513", "192.0.2.01", "::1"};
    const char *six[] = {"2001:0DB8:0:0:1:0:0:1", "::1", "::", "::ffff:192.0.2.1", "fe80::1", "1::2::3", "192.0.2.1"};
    struct in_addr in;
    struct in6_addr in6;
    struct sockaddr_in sa;
    char text[INET6_ADDRSTRLEN];

    for (int i = 0; i < COUNT(old_forms); i++) {
        int result = inet_aton(old_forms[i], &in);
        printf("inet_aton(\"%s\") = %d", old_forms[i], result);
        if (result)
            printf(", %s", inet_ntoa(in));
        putchar('\n');
    }
    printf("inet_addr(\"255.255.255.255\") = 0x%x, and so for bad text\n", inet_addr("255.255.255.255"));
    printf("inet_network(\"192.0.2\") = 0x%x, in host order\n", inet_network("192.0.2"));
    for (int i = 0; i < COUNT(four); i++) {
        int result = inet_pton(AF_INET, four[i], &in);
        printf("inet_pton(AF_INET, \"%s\") = %d", four[i], result);
        if (result == 1) {
            printf(", bytes");
            bytes(&in, sizeof in);
        } else
            putchar('\n');
    }
    for (int i = 0; i < COUNT(six); i++) {
        int result = inet_pton(AF_INET6, six[i], &in6);
        printf("inet_pton(AF_INET6, \"%s\") = %d", six[i], result);
        if (result == 1)
            printf(", again as text %s", inet_ntop(AF_INET6, &in6, text, sizeof text));
        putchar('\n');
    }
    in.s_addr = htonl(INADDR_LOOPBACK);
    printf("INADDR_LOOPBACK 0x%x is %s\n", INADDR_LOOPBACK, inet_ntoa(in));
    memset(&sa, 0, sizeof sa);
    sa.sin_family = AF_INET;
    sa.sin_port = htons(7777);
    sa.sin_addr.s_addr = inet_addr("192.0.2.1");
    printf("struct sockaddr_in, %zu bytes:", sizeof sa);
    bytes(&sa, sizeof sa);
    return 0;
}
