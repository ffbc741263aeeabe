/*
 * Frame input: an open connection whose wire the fuzzer writes. It sends honest data, forges frames with the right
 * keys and any type, tag and content, inserts raw bytes, lets time pass, and closes. No guarantee may be broken,
 * and what an honest connection receives is what was sent.
 */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { WIRE_BYTES = 1 << 17 };

struct side {
    struct pfswrap_seal channel;
    const struct pfswrap_seal_config *config;
    uint8_t in[WIRE_BYTES];
    size_t length;
    uint8_t next_sent, next_seen; /* honest data counts up, so that every byte is known */
    bool closed;
};

static struct side sides[2];
static bool honest;

static void deliver(struct side *to, const uint8_t *bytes, size_t length)
{
    if (length <= sizeof to->in - to->length) {
        memcpy(to->in + to->length, bytes, length);
        to->length += length;
    } else {
        honest = false;
    }
}

/* An honest connection reaches its limits when the two clocks run wild. */
static bool is_limit(int error)
{
    return error == PFSWRAP_SEAL_E_OVERDUE || error == PFSWRAP_SEAL_E_TOO_OFTEN;
}

static void open_all(struct side *side)
{
    for (;;) {
        struct pfswrap_seal_opened opened;
        uint8_t copy[PFSWRAP_SEAL_FRAME_MAX];
        const size_t available = side->length < sizeof copy ? side->length : sizeof copy;
        int event;

        memcpy(copy, side->in, available);
        event = pfswrap_seal_open_in_place(&side->channel, side->config, copy, available, &opened);
        FUZZ_CHECK(opened.consumed <= available);
        FUZZ_CHECK(event >= 0 || !honest || is_limit(event));
        if (event < 0) {
            FUZZ_CHECK(pfswrap_seal_error(&side->channel) == event);
            return;
        }
        for (size_t i = 0; event == PFSWRAP_SEAL_DATA && honest && i < opened.length; i++)
            FUZZ_CHECK(opened.data[i] == side->next_seen++);
        memmove(side->in, side->in + opened.consumed, side->length - opened.consumed);
        side->length -= opened.consumed;
        if (event == PFSWRAP_SEAL_MORE) {
            FUZZ_CHECK(opened.need > side->length && opened.need <= PFSWRAP_SEAL_FRAME_MAX);
            return;
        }
        if (event == PFSWRAP_SEAL_TAKE || (event == PFSWRAP_SEAL_FINAL && side->length == 0))
            return;
    }
}

static void take_all(struct side *from, struct side *to)
{
    uint8_t out[PFSWRAP_SEAL_TAKE_BYTES];

    while (pfswrap_seal_owes(&from->channel)) {
        const int n = pfswrap_seal_take(&from->channel, from->config, out, sizeof out);

        if (n <= 0) {
            FUZZ_CHECK(!honest || n == PFSWRAP_SEAL_E_UNSENT || is_limit(n));
            return;
        }
        deliver(to, out, (size_t)n);
    }
}

static void send_honest(struct side *from, struct side *to, size_t length, bool roll_back)
{
    static uint8_t data[4096], out[4096 + PFSWRAP_SEAL_BEGIN_OVERHEAD];
    size_t accepted;
    int n;

    for (size_t i = 0; i < length; i++)
        data[i] = (uint8_t)(from->next_sent + i);
    n = pfswrap_seal_begin(&from->channel, data, length, out, sizeof out, &accepted);
    if (n <= 0)
        return;
    if (roll_back) {
        FUZZ_CHECK(pfswrap_seal_sent(&from->channel, out, 0) == 0);
        FUZZ_CHECK(sodium_is_zero(out, (size_t)n));
        return;
    }
    from->next_sent = (uint8_t)(from->next_sent + accepted);
    FUZZ_CHECK(pfswrap_seal_sent(&from->channel, out, (size_t)n) == 0);
    deliver(to, out, (size_t)n);
}

static void forge(struct side *from, struct side *to, const uint8_t *content, size_t length, uint8_t type,
                  uint8_t tag)
{
    static uint8_t out[4096];
    struct channel *channel = channel_of(&from->channel);

    if (channel->state != CHANNEL_OPEN)
        return;
    honest = false;
    out[0] = type;
    out[1] = (uint8_t)((length + 17) >> 8);
    out[2] = (uint8_t)(length + 17);
    crypto_secretstream_xchacha20poly1305_push(&channel->push.stream, out + 3, NULL, content, length, out, 3, tag);
    out[3 + length + 17] = 0;
    deliver(to, out, length + 21);
}

static void start(uint8_t first)
{
    static struct side opened[4][2];
    static bool ready[4];
    const int which = first & 3;

    honest = true;
    if (ready[which]) {
        memcpy(sides, opened[which], sizeof sides);
        return;
    }
    fuzz_start(which & 1);
    memset(sides, 0, sizeof sides);
    fuzz_client.config.rekey = fuzz_server.config.rekey = which & 1 ? 3 : 1;
    if ((which & 2) != 0) {
        fuzz_client.config.padding = PFSWRAP_SEAL_PADDING_PADME;
        fuzz_server.config.padding = 256;
    }
    opened[which][0].config = opened[which][1].config = NULL;
    for (int i = 0; i < 2; i++) {
        struct pfswrap_seal_config *config = malloc(sizeof *config);

        FUZZ_CHECK(config != NULL);
        *config = i == 0 ? fuzz_client.config : fuzz_server.config;
        sides[i].config = config;
        FUZZ_CHECK(pfswrap_seal_init(&sides[i].channel, i == 0 ? PFSWRAP_SEAL_INITIATOR : PFSWRAP_SEAL_RESPONDER,
                                     config, NULL, 0, 0, FUZZ_NOW) == 0);
    }
    for (int i = 0; i < 4; i++) {
        take_all(&sides[0], &sides[1]);
        open_all(&sides[1]);
        take_all(&sides[1], &sides[0]);
        open_all(&sides[0]);
    }
    FUZZ_CHECK(pfswrap_seal_ready(&sides[0].channel) && pfswrap_seal_ready(&sides[1].channel));
    memcpy(opened[which], sides, sizeof sides);
    ready[which] = true;
}

/* One command: its kind, two numbers, and for some of them bytes. Returns the number of input bytes used. */
static size_t command(const uint8_t *data, size_t size)
{
    struct side *from = &sides[data[0] >> 3 & 1], *to = &sides[1 - (data[0] >> 3 & 1)];
    const size_t wanted = data[1], left = size - 3, length = wanted < left ? wanted : left;

    switch (data[0] & 7) {
    case 0:
        honest = false;
        deliver(to, data + 3, length);
        return 3 + length;
    case 1:
        forge(from, to, data + 3, length, data[2] & 3, data[2] >> 2);
        return 3 + length;
    case 2:
    case 3:
        send_honest(from, to, 1 + wanted * (1 + (data[2] & 15)), data[2] & 16);
        return 3;
    case 4:
        take_all(from, to);
        return 3;
    case 5:
        pfswrap_seal_tick(&from->channel, FUZZ_NOW + (uint64_t)wanted * 256);
        return 3;
    case 6:
        (void)pfswrap_seal_close(&from->channel);
        return 3;
    default:
        if (wanted < to->length && data[2] == 255) {
            honest = false;
            to->in[wanted] ^= 1;
        }
        open_all(to);
        return 3;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    start(data[0]);
    fuzz_state = data[0];
    for (size_t at = 1; size - at >= 3;)
        at += command(data + at, size - at);
    for (int i = 0; i < 2; i++) {
        take_all(&sides[i], &sides[1 - i]);
        open_all(&sides[1 - i]);
    }
    return 0;
}
