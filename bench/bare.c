/* A bare send() loop: what the kernel alone asks for a frame. Used as: bare PORT CONNECTIONS FRAME_BYTES.
 * Says "listening", takes the connections, then for each number of rounds that it reads sends one frame to each
 * connection 20 times a second, and says "done". */

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

static const long TICK_NS = 50 * 1000 * 1000;

static int listen_on(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 2048)) exit(1);
    puts("listening");
    fflush(stdout);
    return listener;
}

static void wait_for_tick(struct timespec *due) {
    due->tv_nsec += TICK_NS;
    if (due->tv_nsec >= 1000000000) due->tv_nsec -= 1000000000, due->tv_sec++;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, due, NULL);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    int count = atoi(argv[2]), size = atoi(argv[3]), rounds, on = 1;
    int listener = listen_on(atoi(argv[1])), *connections = calloc(count, sizeof *connections);
    unsigned char *frame = malloc(size);
    memset(frame, 'x', size);
    /* A final text frame of 126 to 65,535 bytes, not masked (RFC 6455, 5.2). */
    frame[0] = 0x81, frame[1] = 126, frame[2] = (size - 4) >> 8, frame[3] = (size - 4) & 255;
    for (int i = 0; i < count; i++) {
        connections[i] = accept(listener, NULL, NULL);
        setsockopt(connections[i], IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    while (scanf("%d", &rounds) == 1) {
        struct timespec due;
        clock_gettime(CLOCK_MONOTONIC, &due);
        for (; rounds > 0; rounds--) {
            for (int i = 0; i < count; i++)
                if (send(connections[i], frame, size, MSG_NOSIGNAL) != size) return 1;
            wait_for_tick(&due);
        }
        puts("done");
        fflush(stdout);
    }
    return 0;
}
