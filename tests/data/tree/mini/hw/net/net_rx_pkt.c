#include "qemu/osdep.h"

void net_rx_pkt_init(struct NetRxPkt **pkt)
{
    *pkt = NULL;
}
